"""PostgreSQL and RabbitMQ as the supervisor runs them, and the addresses under which the programs find them."""

from __future__ import annotations

import signal
import subprocess
import time

from engine.native.plan import DATABASE, Plan
from engine.native.postgres import PostgresNode
from engine.native.rabbitmq import RabbitNode

_STILL_MAX_S = 120.0
"""A node that uses no processor and no disk for so long hangs: one write to a slow disk may take that."""
BUSY_MAX_S = 3600.0
"""With ``max_wal_size`` of 1 GB neither a recovery nor a checkpoint takes so long, on any disk."""
_LOOK_S = 1.0


class NodePart:
    """A PostgreSQL or RabbitMQ node as a SupervisedService runs it."""

    def __init__(self, name: str, node: PostgresNode | RabbitNode, stop_signal: signal.Signals) -> None:
        self.name = name
        self.node = node
        self.log = node.log
        self.stop_signal = stop_signal
        self._busy_with = ""
        self._busy_since = self._moved = self._looked = self._effort = 0.0

    @property
    def patient_until(self) -> float:
        """While the node recovers or writes its data, and does not stand still, it is waited for (``BUSY_MAX_S``)."""
        now, busy_with = time.monotonic(), self.node.busy_with()
        if busy_with != self._busy_with:
            self._busy_with, self._busy_since, self._moved, self._looked = busy_with, now, now, 0.0
        if not busy_with:
            return 0.0
        if now - self._looked >= _LOOK_S:
            self._looked, before, self._effort = now, self._effort, self.node.effort()
            if self._effort != before:
                self._moved = now
        return min(self._moved + _STILL_MAX_S, self._busy_since + BUSY_MAX_S)

    def prepare(self) -> None:
        """Clear what a crash left."""
        self.node.prepare()

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it."""
        self._busy_with = ""
        return self.node.spawn()

    def is_ready(self) -> bool:
        """Ask it."""
        return self.node.is_ready()

    def hear(self) -> str | None:
        """Its notes on the last start, told once."""
        notes, self.node.notes[:] = "; ".join(self.node.notes), []
        return notes or None

    def clean_up(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Stop its helpers too."""
        self.node.close()


class Nodes:
    """The nodes of a Plan; none where the environment names a database or a broker that runs already."""

    def __init__(self, plan: Plan) -> None:
        """Choose binaries and ports; raises EngineError. Make it in the thread that runs the event loop."""
        self._plan = plan
        self.postgres: PostgresNode | None = None
        self.rabbitmq: RabbitNode | None = None
        self.parts: list[NodePart] = []
        if plan.own_postgres:
            self.postgres = PostgresNode(plan.places.var / "postgres", log=plan.places.logs / "postgres.log")
            self.parts.append(NodePart("postgres", self.postgres, signal.SIGINT))
        if plan.own_rabbitmq:
            self.rabbitmq = RabbitNode(
                plan.places.var / "rabbitmq",
                log=plan.places.logs / "rabbitmq.log",
                password=plan.secrets.get("rabbitmq_password"),
                guest=plan.mode == "demo",
            )
            self.parts.append(NodePart("rabbitmq", self.rabbitmq, signal.SIGTERM))

    @property
    def shown(self) -> str:
        """What to tell the user while it starts."""
        names = [f"PostgreSQL {self.postgres.major}"] if self.postgres else []
        names += ["RabbitMQ"] if self.rabbitmq else []
        return " and ".join(names) or "with the environment's database and queue"

    def create_database(self) -> None:
        """Make the database if it is not there (blocks); raises EngineError."""
        if self.postgres is not None:
            self.postgres.create_database(DATABASE)

    def environment(self, role: str | None = None) -> dict[str, str]:
        """The settings of a program that works as the database role ``ml_service_<role>`` (None: the owner)."""
        plan = self._plan
        env = plan.environment(role)
        own = plan.own_settings(role)
        if address := own.get("DATABASE_URL") or plan.database_url:
            env["DATABASE_URL"] = address
        elif self.postgres is not None:
            env["DATABASE_URL"] = self.postgres.dsn(DATABASE, f"{DATABASE}_{role}" if role else "postgres")
        if plan.queue == "rabbitmq":
            if address := own.get("AMQP_URL") or plan.amqp_url:
                env["AMQP_URL"] = address
            elif self.rabbitmq is not None:
                env["AMQP_URL"] = self.rabbitmq.amqp_url
        return env
