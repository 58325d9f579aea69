"""Rate limits: fixed windows counted by one upsert, right over all replicas."""

from __future__ import annotations

from ml_service.storage.database import Session

_HIT = """
    INSERT INTO rate_limits AS r (key, count, window_ends_at)
    VALUES ($1, $3, now() + $2 * interval '1 second')
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN r.window_ends_at <= now() THEN $3 ELSE r.count + $3 END,
        window_ends_at = CASE WHEN r.window_ends_at <= now() THEN excluded.window_ends_at ELSE r.window_ends_at END
    RETURNING count, extract(epoch FROM window_ends_at - now())::float8 AS seconds_left
"""


async def hit(session: Session, key: str, window_s: float, weight: int = 1) -> tuple[int, float]:
    """Count ``weight`` hits on ``key``; returns the hits in this window and the seconds until it ends."""
    row = await session.fetchrow(_HIT, key, window_s, weight)
    assert row is not None  # noqa: S101  an upsert always returns its row
    return row["count"], row["seconds_left"]


async def give_back(session: Session, key: str) -> None:
    """Take one hit on ``key`` back."""
    await session.execute("UPDATE rate_limits SET count = count - 1 WHERE key = $1 AND count > 0", key)


async def reset(session: Session, key: str) -> None:
    """Forget the hits on ``key``, for example after the right password."""
    await session.execute("DELETE FROM rate_limits WHERE key = $1", key)


async def delete_ended(session: Session) -> None:
    """Delete the windows that have ended."""
    await session.execute("DELETE FROM rate_limits WHERE window_ends_at < now()")
