"""What admins have changed: append-only, written in the transaction of the change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from ml_service.storage.database import Session

LAST_ID = 2**63 - 1

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AdminAction:
    """One thing that an admin has done.

    Attributes:
        actor_id: None: the command line.
        target: What was changed, such as ``user:<id>`` or ``model:<name>``.
        before, after: What was changed, as JSON text.
        target_name: The name of the user that it is about; None: it is about something else, or the user is gone.
    """

    id: int
    at: datetime
    actor_id: UUID | None
    actor: str
    action: str
    target: str
    before: str | None
    after: str | None
    reason: str | None
    target_name: str | None


_RECORD = """
    INSERT INTO admin_actions (actor_id, actor, action, target, before, after, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def record(
    session: Session,
    actor_id: UUID | None,
    actor: str,
    action: str,
    target: str,
    *,
    before: Values | None,
    after: Values | None,
    reason: str | None,
) -> None:
    """Write down what an admin does; the time is the database's."""
    await session.execute(_RECORD, actor_id, actor, action, target, _json(before), _json(after), reason)


def _json(values: Values | None) -> str | None:
    return None if values is None else msgspec.json.encode(values).decode()


async def credits_given(session: Session, actor_id: UUID) -> int:
    """Credits that somebody has given by hand in the last 24 hours; their next movement waits for this one's commit."""
    await session.execute("SELECT pg_advisory_xact_lock(787, hashtext($1::uuid::text))", actor_id)
    given: int = await session.fetchval(
        """
        SELECT coalesce(sum(greatest(0, (after ->> 'amount')::bigint)), 0)::bigint FROM admin_actions
        WHERE actor_id = $1 AND at > now() - interval '24 hours'  -- admin_actions_of_actor
            AND action IN ('credits.top_up', 'credits.adjustment')
        """,
        actor_id,
    )
    return given


_PAGE = """
    SELECT a.id, a.at, a.actor_id, a.actor, a.action, a.target, a.before::text, a.after::text, a.reason, u.username
    FROM (SELECT * FROM admin_actions WHERE id < $1 ORDER BY id DESC LIMIT $2) AS a
    LEFT JOIN users AS u ON u.id = CASE WHEN a.target LIKE 'user:%' THEN substr(a.target, 6)::uuid END
    ORDER BY a.id DESC
"""


async def page(session: Session, *, before: int | None, limit: int) -> list[AdminAction]:
    """The newest actions, with ids below ``before`` where it is given."""
    rows = await session.fetch(_PAGE, LAST_ID if before is None else before, limit)
    return [AdminAction(*row) for row in rows]
