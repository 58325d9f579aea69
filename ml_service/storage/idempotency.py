"""Idempotency keys in PostgreSQL: the submit statement inserts them, and looks them up too (submissions.py)."""

from __future__ import annotations

from ml_service.domain.credentials import Principal
from ml_service.domain.submissions import Decision, Outcome
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


_REPLAY_BY_SESSION = """
    SELECT u.balance, now() AS created_at, 0 AS open_count, k.prediction_id, k.batch_id, k.fingerprint
    FROM idempotency_keys AS k JOIN users AS u ON u.id = k.user_id
    WHERE k.user_id = $1 AND k.key = $2 AND EXISTS (
        SELECT FROM sessions AS s
        WHERE s.id = $3 AND s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > now()
    )
"""
_REPLAY_BY_KEY = """
    SELECT u.balance, now() AS created_at, 0 AS open_count, k.prediction_id, k.batch_id, k.fingerprint
    FROM idempotency_keys AS k JOIN users AS u ON u.id = k.user_id
    WHERE k.user_id = $1 AND k.key = $2 AND EXISTS (
        SELECT FROM api_key_tokens AS t JOIN api_keys AS a ON a.id = t.key_id
        WHERE t.token_hash = $3 AND coalesce(t.valid_until > now(), true) AND a.user_id = $1 AND a.revoked_at IS NULL
            AND coalesce(a.expires_at > now(), true) AND 'predict' = ANY (a.scopes)
    )
"""
_REPLAY_BY_CHAT = """
    SELECT u.balance, now() AS created_at, 0 AS open_count, k.prediction_id, k.batch_id, k.fingerprint
    FROM idempotency_keys AS k JOIN users AS u ON u.id = k.user_id
    WHERE k.user_id = $1 AND k.key = $2
"""


async def find_replay(session: Session, principal: Principal, key: str) -> Outcome | None:
    """What was accepted with this Idempotency-Key; None where nothing was, or where sign-in or API key has ended."""
    if principal.token_hash is not None:
        row = await session.fetchrow(_REPLAY_BY_KEY, principal.user_id, key, principal.token_hash)
    elif principal.session_id is None:
        row = await session.fetchrow(_REPLAY_BY_CHAT, principal.user_id, key)
    else:
        row = await session.fetchrow(_REPLAY_BY_SESSION, principal.user_id, key, principal.session_id)
    return None if row is None else Outcome(Decision.REPLAYED, *row)
