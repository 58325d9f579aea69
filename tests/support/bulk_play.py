"""Plays what receives, starts and feeds bulk jobs, on a database."""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.bulk import Chunk
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import Decision
from ml_service.storage import bulk_feeding, bulk_jobs
from ml_service.storage.database import Database, Session
from tests.support.play import Play


async def received(play: Play, lines: int = 4, *, chunk: int = 2, price: int = 1) -> UUID:
    """A job of so many lines that was received and has not been started."""
    bulk_id = new_id()
    async with play.database.begin() as session:
        assert await bulk_jobs.create(
            session,
            bulk_id,
            play.user_id,
            Source.API,
            model="echo",
            version="1",
            pool="default",
            price_credits=price,
            open_max=10,
        )
        for number in range(lines // chunk):
            texts: list[str | None] = ["{}"] * chunk
            numbers = [number * chunk + place + 1 for place in range(chunk)]
            await bulk_jobs.add_chunk(session, bulk_id, number, Chunk(numbers, [None] * chunk, texts, [None] * chunk))
    return bulk_id


async def start(session: Session, play: Play, bulk_id: UUID) -> Decision | None:
    """Start a job without an Idempotency-Key."""
    decision, _, _ = await bulk_jobs.start(
        session, bulk_id, play.user_id, key=None, fingerprint=b"", notifies_chats=None, chat_id=None
    )
    return decision


async def started(play: Play, lines: int = 4, *, chunk: int = 2, price: int = 1) -> tuple[UUID, Decision | None]:
    """A job of so many lines that was received and, where the credits suffice, runs."""
    bulk_id = await received(play, lines, chunk=chunk, price=price)
    async with play.database.begin() as session:
        return bulk_id, await start(session, play, bulk_id)


async def fed(database: Database, bulk_id: UUID, number: int, count: int = 2) -> list[UUID] | None:
    """Feed a chunk; its predictions, or None where it was not its turn."""
    ids = [new_id() for _ in range(count)]
    async with database.autocommit() as session:
        return None if await bulk_feeding.feed(session, bulk_id, number, ids) is None else ids
