"""A world without a bot, once per test session: each test starts the bots that it maltreats."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from engine.postgres import PostgresNode
from tests.e2e.bot.conftest import pytest_runtest_makereport
from tests.e2e.bot.world import Program, World, make_database, world_on
from tests.nodes.fixtures import TEMPLATE, _postgres, node_folder

__all__ = ["_postgres", "node_folder", "pytest_runtest_makereport"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _world(_postgres: PostgresNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    await make_database(_postgres.dsn(), "bot_faults", TEMPLATE)
    async with world_on(_postgres.dsn("bot_faults"), tmp_path_factory.mktemp("world"), "echo") as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(_world: World) -> AsyncIterator[World]:
    """App and worker; no bot runs before and after the test, and Telegram is well."""
    yield _world
    _world.telegram.faults.clear()
    for program in _world.programs[2:]:
        program.end()
    del _world.programs[2:]
    worker = _world.programs[1]
    worker.kill(signal.SIGCONT)
    if worker.process is not None and worker.process.poll() is not None:  # a failed test must not take others with it
        worker.start()
        await _world.ready(_world.models)


@pytest_asyncio.fixture(loop_scope="session")
async def bot(world: World) -> Program:
    """A bot that polls."""
    return await world.start(world.bot())
