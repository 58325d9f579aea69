"""The native engine: PostgreSQL, the queue, the app, workers and the bot, kept running in the right order.

Started: PostgreSQL and RabbitMQ side by side, then the schema, then everything else. Stopped: the app first (no new
work), then bot and workers (they drain), then the queue and the database. A node that crashes is started again at
once, and the services find it again by themselves. Why this is ours: docs/decisions/0003-supervision.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import psutil

from engine import control, logs, ports
from engine.errors import EngineError
from engine.plan import DATABASE, WORKERS_MAX, Plan
from engine.postgres import PostgresNode
from engine.processes import log_tail
from engine.rabbitmq import RabbitNode
from engine.service import Patience, Program, Service, exited
from engine.state import Places, read_json, supervisor_lock, write_json
from ml_service.notify import notify

EngineState = Literal["starting", "healthy", "degraded", "stopping", "stopped", "failed"]

START_FAILURES_MAX = 3
"""A program that never was ready and has ended so often will not come up by trying again."""

_HOUSEKEEPING_S = 2.0


class NodePart:
    """A PostgreSQL or RabbitMQ node as a Service runs it."""

    def __init__(self, name: str, node: PostgresNode | RabbitNode, stop_signal: signal.Signals) -> None:
        self.name = name
        self.node = node
        self.log = node.log
        self.stop_signal = stop_signal

    def prepare(self) -> None:
        """Clear what a crash left."""
        self.node.prepare()

    def spawn(self) -> Any:
        """Start it."""
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


def recover(places: Places) -> list[str]:
    """After a run that ended without a stop: end what it left running, and say so."""
    last = read_json(places.engine_file)
    if not last or last.get("state") in ("stopped", "failed"):
        return []
    notes = [f"The last run (process {last.get('pid')}) ended without --stop (a crash or a reboot); recovering."]
    for pid, created in last.get("children", []):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                # PostgreSQL and RabbitMQ see to their own (see their prepare()): kill -9 is not for them.
                if process.name().startswith(("postgres", "beam", "erl")):
                    continue
                process.kill()
                notes.append(f"A process of it still ran and was ended: {process.name()} ({pid}).")
    return notes


class Supervisor:
    """Runs one Plan until it is told to stop. Make it in the thread that runs the event loop."""

    def __init__(self, plan: Plan, listener: socket.socket, notes: Sequence[str], patience: Patience) -> None:
        self.plan = plan
        self.state: EngineState = "starting"
        self.step = "starting"
        self.error = ""
        self.notes = list(notes)
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._patience = patience
        self._began = time.monotonic()
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._services: dict[str, Service] = {}
        self._nodes: dict[str, PostgresNode | RabbitNode] = {}
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._scaling = asyncio.Lock()

    async def run(self) -> None:
        """Start all, serve control requests, stop all.

        Raises:
            EngineError: the start failed; everything is stopped again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        async with control.serve(self.plan.places, self._answer):
            keeping = asyncio.create_task(self._keep_house())
            try:
                await self._start_or_stop()
                await self._stopping.wait()
            except EngineError as error:
                self.error = str(error)
                raise
            finally:
                keeping.cancel()
                await self._stop_all()

    async def _start_or_stop(self) -> None:
        starting = asyncio.create_task(self._start_all())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        starting.result()

    # Starting

    async def _start_all(self) -> None:
        self._save()
        self._say("starting " + " and ".join(self._start_nodes()))
        for name in list(self._nodes):
            await self._until_ready([self._services[name]], failures_max=1)
        postgres = self._nodes.get("postgres")
        if isinstance(postgres, PostgresNode):
            await asyncio.to_thread(postgres.create_database, DATABASE)
        self._say("bringing the database to the newest schema")
        await self._run_once("migrate", self.plan.commands.migrate)
        self._say("starting the API and loading the models")
        apps = [self._add_app(number) for number in range(1, self.plan.app_processes + 1)]
        workers = [self._add_worker(number) for number in range(1, self.plan.workers + 1)]
        if self.plan.has_bot:
            self._add("bot", self.plan.commands.bot, "app")
        await self._until_ready(apps, failures_max=START_FAILURES_MAX)
        await self._until_ready(workers, failures_max=START_FAILURES_MAX)
        self._assess()
        self._say(f"healthy after {time.monotonic() - self._began:.1f} s")
        notify(f"READY=1\nSTATUS=port {self.port}, queue {self.plan.queue}")

    def _start_nodes(self) -> list[str]:
        plan = self.plan
        shown = []
        if plan.own_postgres:
            postgres = PostgresNode(plan.places.var / "postgres", log=plan.places.logs / "postgres.log")
            self._keep(NodePart("postgres", postgres, signal.SIGINT))
            shown.append(f"PostgreSQL {postgres.major}")
        if plan.own_rabbitmq:
            rabbit = RabbitNode(
                plan.places.var / "rabbitmq",
                log=plan.places.logs / "rabbitmq.log",
                password=plan.secrets.get("rabbitmq_password"),
                guest=plan.mode == "demo",
            )
            self._keep(NodePart("rabbitmq", rabbit, signal.SIGTERM))
            shown.append("RabbitMQ")
        return shown or ["with the database and queue of the environment"]

    def _keep(self, part: NodePart) -> None:
        self._nodes[part.name] = part.node
        service = Service(part, self._patience, self._event)
        self._services[part.name] = service
        service.start()

    def environment(self, role: str | None = None) -> dict[str, str]:
        """The environment of a program that works as the database role ``ml_service_<role>`` (None: the owner)."""
        env = self.plan.environment()
        postgres = self._nodes.get("postgres")
        if isinstance(postgres, PostgresNode):
            env["DATABASE_URL"] = postgres.dsn(DATABASE, f"{DATABASE}_{role}" if role else "postgres")
        elif self.plan.database_url:
            env["DATABASE_URL"] = self.plan.database_url
        rabbit = self._nodes.get("rabbitmq")
        if isinstance(rabbit, RabbitNode):
            env["AMQP_URL"] = rabbit.amqp_url
        elif self.plan.amqp_url and self.plan.queue == "rabbitmq":
            env["AMQP_URL"] = self.plan.amqp_url
        return env

    def _program(self, name: str, command: Sequence[str], env: dict[str, str], listen_fd: int | None = None) -> Program:
        places = self.plan.places
        log = places.logs / f"{name}.log"
        return Program(name, command, cwd=self.plan.cwd, env=env, log=log, run=places.run, listen_fd=listen_fd)

    def _add(self, name: str, command: Sequence[str], role: str, **more: str) -> Service:
        env = {**self.environment(role), **more}
        listen_fd = self._listener.fileno() if name.startswith("app") else None
        service = Service(self._program(name, command, env, listen_fd), self._patience, self._event)
        self._services[name] = service
        service.start()
        return service

    def _add_app(self, number: int) -> Service:
        address = {"HOST": self.plan.host, "PORT": str(self.port)}
        return self._add(f"app-{number}", self.plan.commands.app, "app", **address)

    def _add_worker(self, number: int) -> Service:
        name = f"worker-{number}"
        return self._add(name, self.plan.commands.worker, "worker", WORKER_NAME=name)

    async def _run_once(self, name: str, command: Sequence[str]) -> None:
        program = self._program(name, command, self.environment())
        process = program.spawn()
        try:
            await exited(process)
        finally:
            if process.poll() is None:
                process.kill()
            code = process.wait()
            program.close()
        if code != 0:
            raise EngineError(f"{name} ended with exit code {code}. The end of {program.log}:\n{log_tail(program.log)}")

    async def _until_ready(self, services: Sequence[Service], failures_max: int) -> None:
        """Wait until one of ``services`` is ready; raises EngineError when all of them keep failing."""
        while not any(service.became_ready.is_set() for service in services):
            if all(service.restarts >= failures_max for service in services):
                raise EngineError(services[0].error or f"{services[0].name} {services[0].last_exit}")
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.5)

    # Running

    def _event(self, text: str) -> None:
        self._say(text, is_step=False)
        self._changed.set()
        self._assess()

    def _assess(self) -> None:
        if self.state in ("starting", "healthy", "degraded"):
            kinds = ["app", "worker", *self._nodes]
            healthy = all(self._ready(kind) for kind in kinds)
            if healthy or self.state != "starting":
                self.state = "healthy" if healthy else "degraded"
            self._save()

    def _ready(self, kind: str) -> int:
        return sum(service.state == "ready" for service in self._of(kind))

    def _of(self, kind: str) -> list[Service]:
        return [service for name, service in self._services.items() if name == kind or name.startswith(kind + "-")]

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            for log in self.plan.places.logs.glob("*.log"):
                with contextlib.suppress(OSError):  # a full disk must not end the supervisor
                    logs.rotate(log)

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request["op"]
        if operation == "status":
            return self._describe()
        if operation == "environment":
            return {"environment": self.environment()}
        if operation == "scale":
            return await self._scale(int(request["workers"]))
        if operation == "stop":
            self._stopping.set()
            return {"state": "stopping"}
        raise EngineError(f"unknown request: {operation!r}")

    def _describe(self) -> dict[str, Any]:
        for name in self._nodes:
            heard = self._services[name].part.hear()
            self.notes += [heard] if heard else []
        return {
            "state": self.state,
            "step": self.step,
            "error": self.error,
            "notes": self.notes,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._began, 1),
            "host": self.plan.host,
            "port": self.port,
            "queue": self.plan.queue,
            "mode": self.plan.mode,
            "workers_wanted": len(self._of("worker")),
            "workers_ready": self._ready("worker"),
            "processes": [service.describe() for service in self._services.values()],
        }

    async def _scale(self, workers: int) -> dict[str, Any]:
        if not 1 <= workers <= WORKERS_MAX:
            raise EngineError(f"The number of workers must be from 1 to {WORKERS_MAX}.")
        async with self._scaling:
            if self._stopping.is_set() or not self._of("app"):
                raise EngineError("It is starting or stopping: ask again in a moment.")
            before = len(self._of("worker"))
            surplus = sorted(self._of("worker"), key=lambda service: int(service.name.split("-")[1]))[workers:]
            await asyncio.gather(*(self._remove(service) for service in surplus))
            for number in range(1, WORKERS_MAX + 1):
                if len(self._of("worker")) < workers and f"worker-{number}" not in self._services:
                    self._add_worker(number)
            if workers != before:
                self._say(f"scaled from {before} to {workers} workers", is_step=False)
            self._assess()
            return {"before": before, "workers": workers}

    async def _remove(self, service: Service) -> None:
        await service.stop()
        self._services.pop(service.name, None)

    # Stopping

    async def _stop_all(self) -> None:
        self.state = "stopping"
        notify("STOPPING=1")
        self._save()
        async with self._scaling:
            for kind, what in (("app", "the API"), ("bot", "the bot"), ("worker", "the workers")):
                if self._of(kind):
                    self._say(f"stopping {what}")
                    await asyncio.gather(*(service.stop() for service in self._of(kind)))
            if self._nodes:
                self._say("stopping " + " and ".join(self._nodes))
                await asyncio.gather(*(self._services[name].stop() for name in self._nodes))
        self.state = "failed" if self.error else "stopped"
        self._say(self.state)
        self._services.clear()
        self._save()

    def _say(self, text: str, *, is_step: bool = True) -> None:
        if is_step:
            self.step = text
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)  # noqa: T201 - var/logs/supervisor.log

    def _save(self) -> None:
        children = []
        for service in self._services.values():
            if service.process is not None and service.process.poll() is None:
                with contextlib.suppress(psutil.Error):
                    children.append([service.process.pid, psutil.Process(service.process.pid).create_time()])
        value = {
            "engine": "native",
            "queue": self.plan.queue,
            "port": self.port,
            "mode": self.plan.mode,
            "state": self.state,
            "error": self.error,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "children": children,
        }
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            write_json(self.plan.places.engine_file, value)


def supervise(make_plan: Callable[[], Plan], places: Places, patience: Patience | None = None) -> None:
    """Run in the foreground until SIGTERM, SIGINT or a stop request.

    Raises:
        EngineError: it already runs, or could not start (everything is stopped again).
    """
    os.umask(0o077)
    with supervisor_lock(places):
        notes = recover(places)
        try:
            plan = make_plan()
            listener = ports.listen(plan.host, plan.port)
        except EngineError as error:
            write_json(places.engine_file, {**read_json(places.engine_file), "state": "failed", "error": str(error)})
            raise
        with listener:
            asyncio.run(_run(plan, listener, notes, patience or Patience()))


async def _run(plan: Plan, listener: socket.socket, notes: Sequence[str], patience: Patience) -> None:
    await Supervisor(plan, listener, notes, patience).run()
