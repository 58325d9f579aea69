"""A world for each queue backend, once per test session (xdist worker), with a bot that polls.

Tests use people of their own. A test has the world on PostgreSQL; one with the mark `both_queues` runs on each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from engine.postgres import PostgresNode
from tests.e2e.bot.world import World, make_database, world_on
from tests.nodes.fixtures import TEMPLATE


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """A failed test shows the ends of the processes' logs."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        report.sections.append(("logs", world.logs()))
