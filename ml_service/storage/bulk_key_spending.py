"""What a bulk job holds by an API key: held to the key's cap when the job starts, and given back by line.

What single predictions and batches hold by a key is counted in the statement that accepts them (`submissions.py`).
The key's row is locked after the job's and the user's, as everywhere.
"""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.submissions import Decision
from ml_service.storage.database import Session

_SPENDER = """
    SELECT a.id, a.spent_on > (now() AT TIME ZONE 'UTC')::date AS is_late,
        'bulk' = ANY (a.scopes) AS has_scope, coalesce($3 = ANY (a.models), true) AS has_model,
        CASE WHEN a.cap_credits IS NOT NULL THEN greatest(0, a.cap_credits - CASE
            WHEN a.cap_per = 'total' THEN a.spent_total
            WHEN a.cap_per = 'month' AND a.spent_on >= date_trunc('month', now() AT TIME ZONE 'UTC') THEN a.spent_month
            WHEN a.cap_per = 'day' AND a.spent_on = (now() AT TIME ZONE 'UTC')::date THEN a.spent_day
            ELSE 0
        END) END AS cap_left
    FROM api_key_tokens AS t JOIN api_keys AS a ON a.id = t.key_id
    WHERE t.token_hash = $1 AND coalesce(t.valid_until > now(), true) AND a.user_id = $2 AND a.revoked_at IS NULL
        AND coalesce(a.expires_at > now(), true)
    FOR NO KEY UPDATE OF a
"""


async def spend(
    session: Session, bulk_id: UUID, user_id: UUID, token_hash: bytes, *, model: str, cost: int
) -> tuple[Decision, int | None]:
    """Count a job's price for the API key of a token, in the transaction that starts the job.

    Returns:
        What was decided, and what the key's cap left before; None: it has no cap.
    """
    row = await session.fetchrow(_SPENDER, token_hash, user_id, model)
    if row is None:
        return Decision.NO_SESSION, None
    refusals = (
        (not row["has_scope"], Decision.SCOPE_MISSING),
        (not row["has_model"], Decision.MODEL_NOT_ALLOWED),
        (row["is_late"], Decision.LATE),
        (row["cap_left"] is not None and cost > row["cap_left"], Decision.KEY_CAP_EXCEEDED),
    )
    for is_refused, decision in refusals:
        if is_refused:
            return decision, row["cap_left"]
    if row["cap_left"] is not None:  # a key without a cap is counted later
        await session.execute("SELECT count_spent($1, (now() AT TIME ZONE 'UTC')::date, $2)", row["id"], cost)
    await session.execute("UPDATE bulk_jobs SET key_id = $2 WHERE id = $1", bulk_id, row["id"])
    return Decision.ACCEPTED, row["cap_left"]
