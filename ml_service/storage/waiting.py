"""What waits to be computed: single predictions in their order, and the items of batches by number."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from ml_service.storage.database import Session


class WaitingSingle(NamedTuple):
    """A queued prediction of no batch."""

    id: UUID
    model: str
    version: str


# Bounded reads of the index predictions_open: ordering by id in SQL could walk through all that has ended.
_SINGLES = """
    SELECT id, model, version FROM predictions
    WHERE finished_at IS NULL AND batch_id IS NULL AND status = 'queued' LIMIT $1
"""


async def singles(session: Session, limit: int) -> list[WaitingSingle]:
    """Up to ``limit`` queued single predictions, the oldest first."""
    return sorted(WaitingSingle._make(row) for row in await session.fetch(_SINGLES, limit))


_ITEMS = """
    SELECT model, version, count(*) AS count FROM (
        SELECT model, version FROM predictions
        WHERE finished_at IS NULL AND batch_id IS NOT NULL AND status = 'queued' LIMIT $1
    ) AS queued
    GROUP BY model, version
"""


async def items(session: Session, limit: int) -> dict[tuple[str, str], int]:
    """How many items of batches are queued, by model and version, of up to ``limit``."""
    return {(row["model"], row["version"]): row["count"] for row in await session.fetch(_ITEMS, limit)}
