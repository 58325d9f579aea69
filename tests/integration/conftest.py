"""A database with a user who has credits, for whatever needs one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from ml_service.domain.predictions import Source, new_id
from ml_service.storage import ledger, submissions
from ml_service.storage.database import Database
from ml_service.storage.ledger import Books
from ml_service.storage.predictions import Claimed, Finish, Finished, claim, finish
from ml_service.storage.submissions import NewPrediction, Outcome, Submission
from ml_service.usecases import users


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh database, whose books must be right when the test has ended."""
    database = await Database.connect(database_url, name="test", timeout_s=10)
    yield database
    async with database.autocommit() as session:
        books = await ledger.audit(session)
    await database.close()
    assert books.is_clean, books


@dataclass
class Play:
    """Plays the parts of app and worker on a database."""

    database: Database
    user_id: UUID
    url: str = ""
    worker_id: str = "worker-1"
    ids: list[UUID] = field(default_factory=list)

    def submission(self, *, items: int = 1, cost: int = 1, batch: bool = False, **options: object) -> Submission:
        """A request of the user for ``echo``."""
        new = tuple(
            NewPrediction(new_id(), "echo", "1", "default", cost, f'{{"text": "{place}"}}') for place in range(items)
        )
        return Submission(self.user_id, Source.API, new, new_id() if batch else None, **options)  # type: ignore[arg-type]

    async def submit(self, *asked: Submission) -> list[Outcome]:
        """Submit in one commit; remembers the ids."""
        async with self.database.begin() as session:
            outcomes = await submissions.submit(session, asked)
        self.ids += [item.id for one in asked for item in one.items]
        return outcomes

    async def claim(
        self, *ids: UUID, worker: str | None = None, redelivered: bool = False, attempts_max: int = 5
    ) -> list[Claimed]:
        """Claim as a worker does."""
        async with self.database.autocommit() as session:
            return await claim(
                session, worker or self.worker_id, ids, [redelivered] * len(ids), attempts_max=attempts_max
            )

    async def finish(self, *finishes: Finish, worker: str | None = None) -> list[Finished]:
        """Finish as a worker does."""
        async with self.database.autocommit() as session:
            return await finish(session, worker or self.worker_id, finishes)

    async def balance(self) -> tuple[int, int]:
        """Balance and held credits."""
        async with self.database.autocommit() as session:
            found = await ledger.balance(session, self.user_id)
        assert found is not None
        return found.balance, found.held

    async def stored(self) -> list[UUID]:
        """The ids of all predictions, in their order."""
        async with self.database.autocommit() as session:
            return [row["id"] for row in await session.fetch("SELECT id FROM predictions ORDER BY id")]

    async def books(self) -> Books:
        """The audit."""
        async with self.database.autocommit() as session:
            return await ledger.audit(session)


@pytest.fixture
async def play(database: Database, database_url: str) -> Play:
    """A user with 100 credits."""
    async with database.begin() as session:
        user = await users.register(session, "anna", None, starting_credits=100)
    return Play(database, user.id, database_url)
