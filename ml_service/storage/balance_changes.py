"""What changed a balance, as a person would tell it: the movements of one batch are one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ml_service.domain.ledger import Kind
from ml_service.storage.database import Session

ROWS_MAX = 20_000
"""Of the ledger, newest first, that are looked at: some batches, or what a bulk job has moved lately."""


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """Movements of one kind, booked together: ``change`` credits in all, by ``count`` rows."""

    kind: Kind
    change: int
    count: int
    created_at: datetime


# Rows of one statement have the same time. A capture changes no balance: what it takes was held before. Nor does
# feeding a bulk job, which releases what the job holds and holds it for the lines; a long job has as many of these rows
# as lines, so the reading is bounded before they are left out.
_LAST = """
    SELECT kind, sum(CASE kind WHEN 'hold' THEN -amount ELSE amount END)::bigint AS change, count(*) AS count,
        created_at
    FROM (
        SELECT id, kind, amount, actor_kind, actor_id, created_at FROM transactions  -- see history.py for the pairs
        WHERE (user_id, id) >= ($1, 0) AND (user_id, id) <= ($1, 9223372036854775807)
        ORDER BY user_id DESC, id DESC LIMIT $3
    ) AS newest
    WHERE kind <> 'capture' AND amount <> 0 AND (actor_kind, actor_id) <> ('system', 'feeder')
    GROUP BY created_at, kind ORDER BY max(id) DESC LIMIT $2
"""


async def last(session: Session, user_id: UUID, limit: int) -> list[BalanceChange]:
    """A user's newest changes, newest first."""
    rows = await session.fetch(_LAST, user_id, limit, ROWS_MAX)
    return [BalanceChange(Kind(row["kind"]), row["change"], row["count"], row["created_at"]) for row in rows]
