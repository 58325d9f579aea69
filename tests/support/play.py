"""A user with credits, and the parts of app and worker played on a real database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ml_service.domain.credentials import Principal, Scope, Spent, hash_of
from ml_service.domain.ids import new_id
from ml_service.domain.models import ModelSpec
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import Outcome, Submission, SubmissionItem
from ml_service.storage import api_keys as stored_keys
from ml_service.storage import ledger, models, sessions, submissions, workers
from ml_service.storage.api_keys import KeyFields
from ml_service.storage.claiming import Claimed, claim
from ml_service.storage.database import Database, Session
from ml_service.storage.finishing import Finish, Finished, finish
from ml_service.storage.ledger import Books
from ml_service.storage.users import Login
from ml_service.usecases import api_keys


async def announce_served(session: Session, *specs: ModelSpec) -> None:
    """Announce versions as once a worker has begun to serve them: a new one is parked until then."""
    await models.announce(session, specs)
    await session.execute("UPDATE model_versions SET parked_at = NULL")


@dataclass
class Play:
    """Plays the parts of app and worker on a database."""

    database: Database
    user_id: UUID
    url: str = ""
    worker_id: str = "worker-1"
    ids: list[UUID] = field(default_factory=list)

    def submission(
        self,
        *,
        items: int = 1,
        cost: int = 1,
        batch: bool = False,
        id: UUID | None = None,  # noqa: A002
        text: str | None = None,
        by: Principal | None = None,
        model: str = "echo",
        **options: object,
    ) -> Submission:
        """A request of the user; ``id`` is that of a single one, ``by`` what it is asked with."""
        new = tuple(
            SubmissionItem(id or new_id(), model, "1", "default", cost, f'{{"text": "{text or place}"}}')
            for place in range(items)
        )
        return Submission(by or Principal(self.user_id), Source.API, new, new_id() if batch else None, **options)  # type: ignore[arg-type]

    async def principal(self) -> Principal:
        """The user, signed in."""
        session_id = new_id()
        async with self.database.autocommit() as session:
            assert await sessions.add(session, session_id, Login(self.user_id, None, is_demo=False), b"", 3600)
        return Principal(self.user_id, session_id)

    async def key(self, *, scopes: Iterable[Scope] = (Scope.PREDICT, Scope.READ), **fields: Any) -> Principal:
        """The user, by a new API key."""
        async with self.database.begin() as session:
            fields = {"name": "key", "scopes": frozenset(scopes), **fields}
            made = await api_keys.create(session, self.user_id, KeyFields(**fields), keys_max=100)
        return Principal(self.user_id, key_id=made.key.id, token_hash=hash_of(made.token))

    async def beat(self, session: Session) -> None:
        """Be a live worker of the default pool that serves ``echo@1``."""
        await workers.beat(
            session,
            self.worker_id,
            1,
            "h",
            1,
            pools=["default"],
            models=["echo@1"],
            model_states={},
            state="ready",
            lease_s=60,
        )

    async def spent(self, principal: Principal) -> Spent:
        """What a key has spent."""
        assert principal.key_id is not None
        async with self.database.autocommit() as session:
            await stored_keys.count(session, self.user_id)
            key = await stored_keys.get(session, self.user_id, principal.key_id)
        assert key is not None
        return key.spent

    async def submit(self, *asked: Submission) -> list[Outcome]:
        """Submit in one commit; remembers the ids."""
        async with self.database.begin() as session:
            outcomes = await submissions.submit(session, asked)
        self.ids += [item.id for one in asked for item in one.items]
        return outcomes

    async def claim(
        self,
        *ids: UUID,
        worker: str | None = None,
        redelivered: bool = False,
        version: str = "1",
        attempts_max: int = 5,
    ) -> list[Claimed]:
        """Claim as a worker does."""
        async with self.database.autocommit() as session:
            return await claim(
                session,
                worker or self.worker_id,
                ids,
                [redelivered] * len(ids),
                model="echo",
                version=version,
                attempts_max=attempts_max,
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
