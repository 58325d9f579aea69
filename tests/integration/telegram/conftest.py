"""The database as the bot's own role sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ml_service.storage.database import Database


@pytest.fixture
async def bot_database(database: Database, database_url: str) -> AsyncIterator[Database]:  # noqa: ARG001  the books are checked after it
    """The database as the bot sees it."""
    made = await Database.connect(database_url.replace("postgres@", "ml_service_bot@"), name="bot", timeout_s=10)
    yield made
    await made.close()
