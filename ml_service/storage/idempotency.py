"""Idempotency keys in PostgreSQL. The submit statement inserts and looks them up (submissions.py)."""

from __future__ import annotations

from ml_service.storage.database import Session

_DELETE_OLD = """
    DELETE FROM idempotency_keys WHERE (user_id, key) IN (
        SELECT user_id, key FROM idempotency_keys  -- idempotency_keys_age
        WHERE created_at < now() - $1 * interval '1 second' ORDER BY created_at LIMIT $2
    )
"""


async def delete_old(session: Session, older_than_s: float, limit: int) -> int:
    """Delete up to ``limit`` keys used more than ``older_than_s`` seconds ago; returns how many."""
    tag = await session.execute(_DELETE_OLD, older_than_s, limit)
    return int(tag.rpartition(" ")[2])
