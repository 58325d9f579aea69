"""A database with a user who has credits, for any test that needs them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ml_service.storage import ledger
from ml_service.storage.database import Database
from ml_service.usecases import users
from tests.support.play import Play


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh database, whose books must be right when the test has ended."""
    database = await Database.connect(database_url, name="test", timeout_s=10)
    yield database
    async with database.begin() as session:  # where the audit may choose its own plans
        books = await ledger.audit(session)
    await database.close()
    assert books.is_clean, books


@pytest.fixture
async def play(database: Database, database_url: str) -> Play:
    """A user with 100 credits."""
    async with database.begin() as session:
        user = await users.register(session, "anna", None, starting_credits=100)
    return Play(database, user.id, database_url)
