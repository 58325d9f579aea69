"""Two real replicas of the app, and a real nginx in front of them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from engine.native.postgres import PostgresNode
from tests.support.app_process import Process, started
from tests.support.nginx import (
    DATABASE,
    FIRST,
    MIME_TYPES,
    NGINX,
    SECOND,
    Door,
    OpenDoor,
    StartReplica,
    a_door,
)
from tests.support.nodes import TEMPLATE, execute, skip_or_fail
from tests.support.ports import free_port
from tests.support.service import ECHO


@pytest.fixture(scope="session", autouse=True)
def _needs_nginx() -> None:
    if NGINX is None or not MIME_TYPES.exists():
        skip_or_fail("nginx is not installed here: apt-get install nginx-light")


@pytest.fixture(scope="session")
def app_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def start_replica(_needs_nginx: None, _postgres: PostgresNode, app_port: int) -> Iterator[StartReplica]:
    """Start the app at an address; all replicas share one database, for the whole session."""
    asyncio.run(execute(_postgres.dsn(), f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}"))

    @contextmanager
    def start(address: str) -> Iterator[Process]:
        folder = Path(tempfile.mkdtemp(prefix="app-"))  # short: it holds a unix socket
        trust = {"TRUSTED_PROXIES": "127.0.0.0/8", "STARTING_CREDITS": "1000"}
        try:
            with started(_postgres.dsn(DATABASE), folder, ECHO, (address, app_port), **trust) as process:
                assert "READY=1" in process.told()
                yield process
        finally:
            shutil.rmtree(folder)

    yield start
    asyncio.run(execute(_postgres.dsn(), f"DROP DATABASE {DATABASE} WITH (FORCE)"))


@pytest.fixture(scope="session")
def replicas(start_replica: StartReplica) -> Iterator[tuple[Process, Process]]:
    with start_replica(FIRST) as first, start_replica(SECOND) as second:
        yield first, second


@pytest.fixture(scope="session")
def door(replicas: tuple[Process, Process], app_port: int) -> Iterator[Door]:
    """An nginx with the settings of every day, in front of both replicas. Others use it too: change nothing."""
    assert replicas
    with a_door(app_port, FIRST, SECOND) as door:
        yield door


@pytest.fixture
def open_door(replicas: tuple[Process, Process], app_port: int) -> OpenDoor:
    """Start an nginx of one's own: names' addresses, then settings."""
    assert replicas
    return partial(a_door, app_port)


@pytest.fixture(scope="session")
def token(door: Door) -> str:
    """Of the demo user."""
    with door.client("127.0.0.50") as client:
        answer = client.post("/token", data={"username": "test", "password": "test"})
        assert answer.status_code == 200, answer.text
        made: str = answer.json()["access_token"]
        return made


@pytest.fixture(scope="session")
def signed_in(token: str) -> dict[str, str]:
    """The header that says so."""
    return {"Authorization": f"Bearer {token}"}
