"""What can be done with predictions that were accepted: look at them, cancel them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from ml_service.domain.errors import AlreadyFinished, NotFound
from ml_service.domain.ledger import Actor, ActorKind
from ml_service.domain.predictions import Prediction, Status
from ml_service.storage import canceling, predictions
from ml_service.storage import history as stored_history
from ml_service.storage.database import Database, Session
from ml_service.storage.history import PAGE_BYTES, HistoryFilter

MISSING = "There is no such prediction."
LOOKING_S_MAX = 0.1
"""A page of a filter that few rows pass ends after this, and its cursor goes on."""
EXPORT_ROWS = 500
EXPORT_BYTES = 500_000
"""Of one piece of an export, so that many exports at once do not fill the memory."""


async def get(session: Session, user_id: UUID, prediction_id: UUID) -> Prediction:
    """A user's prediction.

    Raises:
        NotFound: It is missing, or another user's: the same answer.
    """
    found = (await predictions.get_many(session, [prediction_id])).get(prediction_id)
    if found is None or found.user_id != user_id:
        raise NotFound(MISSING)
    return found


async def history(
    session: Session, user_id: UUID, wanted: HistoryFilter, *, before: UUID | None, limit: int
) -> tuple[list[Prediction], UUID | None]:
    """A page of a user's predictions, newest first, and the id to continue before; None where nothing follows.

    The page may be short, even empty, and yet be followed by others: it is bounded in bytes, and in the time that is
    spent on looking for rows that pass a filter which few pass.
    """
    began = time.monotonic()
    items: list[Prediction] = []
    bytes_left = PAGE_BYTES
    while True:
        page = await stored_history.history(
            session, user_id, wanted, before=before, limit=limit - len(items), bytes_max=bytes_left
        )
        items += page.items
        before = page.next_id
        bytes_left -= sum(len(one.input) + len(one.output or "") for one in page.items)
        is_full = len(items) >= limit or bytes_left <= PAGE_BYTES // 2
        if before is None or is_full or time.monotonic() - began > LOOKING_S_MAX:
            return items, before


async def export(
    database: Database, user_id: UUID, wanted: HistoryFilter, before_piece: Callable[[], Awaitable[None]]
) -> AsyncIterator[list[Prediction]]:
    """All of a user's predictions that are wanted, newest first, some at a time.

    No connection is held while the reader is slow.

    Args:
        before_piece: Awaited before each reading; what it raises ends the export.
    """
    before: UUID | None = None
    while True:
        await before_piece()
        async with database.autocommit() as session:
            page = await stored_history.history(
                session, user_id, wanted, before=before, limit=EXPORT_ROWS, bytes_max=EXPORT_BYTES
            )
        if page.items:
            yield page.items
        before = page.next_id
        if before is None:
            return


async def cancel(
    session: Session, user_id: UUID, prediction_id: UUID, *, key_id: UUID | None = None, by: Actor | None = None
) -> Prediction:
    """Cancel an open prediction; its credits go back in the same commit.

    Args:
        key_id: The API key by which the user asks for it.
        by: Who asks for it, where it is not the user.

    Raises:
        NotFound: It is missing, or another user's.
        AlreadyFinished: It has ended otherwise. Canceling twice is no error.
    """
    if key_id is not None:
        by = Actor(ActorKind.KEY, str(key_id))
    canceled = await canceling.cancel(session, user_id, prediction_id, by)
    if canceled is not None:
        return canceled
    found = await get(session, user_id, prediction_id)
    if found.status is not Status.CANCELED:
        raise AlreadyFinished(f"The prediction has {found.status} already.")
    return found
