"""One world per test session (xdist worker), with a bot that polls; tests use people of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine.postgres import PostgresNode
from tests.e2e.bot.world import World, make_database, world_on
from tests.nodes.fixtures import TEMPLATE, _postgres, node_folder

__all__ = ["_postgres", "node_folder"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(_postgres: PostgresNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """App, worker and bot."""
    await make_database(_postgres.dsn(), "bot_world", TEMPLATE)
    folder: Path = tmp_path_factory.mktemp("world")
    async with world_on(_postgres.dsn("bot_world"), folder) as world:
        await world.start(world.bot())
        yield world


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """A failed test shows the ends of the processes' logs."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        report.sections.append(("logs", world.logs()))
