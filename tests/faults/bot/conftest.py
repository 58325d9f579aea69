"""Worlds without a bot, once per test session: each test starts the bots that it maltreats."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from engine.native.postgres import PostgresNode
from tests.support.bot_world import BotProgram, World, make_database, pytest_runtest_makereport, world_on
from tests.support.nodes import TEMPLATE

__all__ = ["pytest_runtest_makereport"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _on_postgres(_postgres: PostgresNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    await make_database(_postgres.dsn(), "bot_faults", TEMPLATE)
    async with world_on(_postgres.dsn("bot_faults"), tmp_path_factory.mktemp("world"), "echo,survey") as world:
        yield world
        _wake(_postgres)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _on_rabbitmq(
    _postgres: PostgresNode, fresh_amqp_url: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    await make_database(_postgres.dsn(), "bot_faults_rabbitmq", TEMPLATE)
    folder = tmp_path_factory.mktemp("world_rabbitmq")
    async with world_on(_postgres.dsn("bot_faults_rabbitmq"), folder, "echo,survey", fresh_amqp_url()) as world:
        yield world
        _wake(_postgres)


def _wake(node: PostgresNode) -> None:
    """Have the server run, whatever the tests since have done to it."""
    node.resume()
    node.start()


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """App and worker; no bot runs before and after the test, and Telegram is well."""
    found: World = request.getfixturevalue(f"_on_{getattr(request, 'param', 'postgres')}")
    return found


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _heal(world: World) -> AsyncIterator[None]:
    yield
    world.telegram.faults.clear()
    for program in world.programs[2:]:
        program.end()
    del world.programs[2:]
    worker = world.programs[1]
    worker.kill(signal.SIGCONT)
    if worker.process is not None and worker.process.poll() is not None:  # a failed test must not take others with it
        worker.start()
        await world.ready(world.models)


@pytest_asyncio.fixture(loop_scope="session")
async def bot(world: World) -> BotProgram:
    """A bot that polls."""
    return await world.start(world.bot())
