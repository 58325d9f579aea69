"""A world for each queue backend, once per test session (xdist worker), with a bot that polls.

Tests use people of their own. A test has the world on PostgreSQL; one with the mark `both_queues` runs on each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from engine.native.postgres import PostgresNode
from tests.support.bot_world import World, make_database, pytest_runtest_makereport, world_on
from tests.support.nodes import TEMPLATE

__all__ = ["pytest_runtest_makereport"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _on_postgres(_postgres: PostgresNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    await make_database(_postgres.dsn(), "bot_world", TEMPLATE)
    async with world_on(_postgres.dsn("bot_world"), tmp_path_factory.mktemp("world")) as world:
        await world.start(world.bot())
        yield world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _on_rabbitmq(
    _postgres: PostgresNode, fresh_amqp_url: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    await make_database(_postgres.dsn(), "bot_world_rabbitmq", TEMPLATE)
    folder = tmp_path_factory.mktemp("world_rabbitmq")
    async with world_on(_postgres.dsn("bot_world_rabbitmq"), folder, amqp_url=fresh_amqp_url()) as world:
        await world.start(world.bot())
        yield world


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """App, worker and bot."""
    found: World = request.getfixturevalue(f"_on_{getattr(request, 'param', 'postgres')}")
    return found
