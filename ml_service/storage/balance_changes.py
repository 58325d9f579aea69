"""What changed a balance, as a person would tell it: the movements of one batch are one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ml_service.domain.ledger import Kind
from ml_service.storage.database import Session

ROWS_MAX = 5000
"""Of the ledger, newest first, that are looked at: some batches."""


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """Movements of one kind, booked together: ``change`` credits in all, by ``count`` rows."""

    kind: Kind
    change: int
    count: int
    created_at: datetime


# Rows of one statement have the same time. A capture changes no balance: what it takes was held before.
_LAST = """
    SELECT kind, sum(CASE kind WHEN 'hold' THEN -amount ELSE amount END)::bigint AS change, count(*) AS count,
        created_at
    FROM (
        SELECT id, kind, amount, created_at FROM transactions  -- see storage/history.py for the pairs
        WHERE (user_id, id) >= ($1, 0) AND (user_id, id) <= ($1, 9223372036854775807) AND kind <> 'capture'
            AND amount <> 0
        ORDER BY user_id DESC, id DESC LIMIT $3
    ) AS newest
    GROUP BY created_at, kind ORDER BY max(id) DESC LIMIT $2
"""


async def last(session: Session, user_id: UUID, limit: int) -> list[BalanceChange]:
    """A user's newest changes, newest first."""
    rows = await session.fetch(_LAST, user_id, limit, ROWS_MAX)
    return [BalanceChange(Kind(row["kind"]), row["change"], row["count"], row["created_at"]) for row in rows]
