"""Users, their sessions, and the limits on what strangers may try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ml_service.domain.users import User, username_key
from ml_service.storage.database import Session

COLUMNS = "id, username, is_admin, is_demo, balance, created_at"


def user_of(row: Any) -> User:
    """Make a User of a row that has COLUMNS."""
    return User(
        id=row["id"],
        username=row["username"],
        is_admin=row["is_admin"],
        is_demo=row["is_demo"],
        balance=row["balance"],
        created_at=row["created_at"],
    )


_ADD = f"""
    INSERT INTO users (id, username, username_key, password_hash, is_admin, is_demo)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (username_key) DO NOTHING
    RETURNING {COLUMNS}
"""


async def add(
    session: Session,
    user_id: UUID,
    username: str,
    password_hash: str | None,
    *,
    is_admin: bool = False,
    is_demo: bool = False,
) -> User | None:
    """Add a user with balance 0; None where the name is taken."""
    row = await session.fetchrow(_ADD, user_id, username, username_key(username), password_hash, is_admin, is_demo)
    return None if row is None else user_of(row)


async def get_by_name(session: Session, username: str) -> User | None:
    """The user of this name, compared without case."""
    row = await session.fetchrow(f"SELECT {COLUMNS} FROM users WHERE username_key = $1", username_key(username))
    return None if row is None else user_of(row)


@dataclass(frozen=True, slots=True)
class Login:
    """What a sign-in is checked against."""

    user_id: UUID
    password_hash: str | None
    is_demo: bool


async def login_of(session: Session, username: str) -> Login | None:
    """Id and password hash of the user of this name."""
    row = await session.fetchrow(
        "SELECT id, password_hash, is_demo FROM users WHERE username_key = $1", username_key(username)
    )
    return None if row is None else Login(row["id"], row["password_hash"], row["is_demo"])


async def set_password_hash(session: Session, user_id: UUID, password_hash: str) -> None:
    """Replace a user's password hash."""
    await session.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user_id, password_hash)


async def set_admin(session: Session, user_id: UUID, *, is_admin: bool) -> None:
    """Give or take the rights of an admin; raises asyncpg.CheckViolationError for the demo user."""
    await session.execute("UPDATE users SET is_admin = $2 WHERE id = $1", user_id, is_admin)


async def lock_out_demo_users(session: Session) -> int:
    """Take the password and the sessions from demo users, for production; returns how many there were."""
    locked = await session.fetch(
        "UPDATE users SET password_hash = NULL WHERE is_demo AND password_hash IS NOT NULL RETURNING id"
    )
    await session.execute(
        "UPDATE sessions SET revoked_at = now()"
        " WHERE revoked_at IS NULL AND user_id IN (SELECT id FROM users WHERE is_demo)"
    )
    return len(locked)


async def any_exists(session: Session) -> bool:
    """Whether the database holds users already, or even tables."""
    if await session.fetchval("SELECT to_regclass('users') IS NULL"):
        return False
    return bool(await session.fetchval("SELECT EXISTS (SELECT FROM users)"))


# Sessions. One sign-in is one session: a family of refresh tokens of which only the newest is valid (RFC 9700, 4.14).


async def add_session(
    session: Session, session_id: UUID, user_id: UUID, refresh_hash: bytes, lifetime_s: float
) -> None:
    """Begin a session that ends after ``lifetime_s`` seconds."""
    await session.execute(
        "INSERT INTO sessions (id, user_id, refresh_hash, expires_at)"
        " VALUES ($1, $2, $3, now() + $4 * interval '1 second')",
        session_id,
        user_id,
        refresh_hash,
        lifetime_s,
    )


async def users_of_sessions(session: Session, session_ids: list[UUID]) -> dict[UUID, User]:
    """The users of those sessions that are still valid."""
    rows = await session.fetch(
        f"""
        SELECT s.id AS session_id, u.{COLUMNS.replace(", ", ", u.")}
        FROM sessions AS s JOIN users AS u ON u.id = s.user_id
        WHERE s.id = ANY($1::uuid[]) AND s.revoked_at IS NULL AND s.expires_at > now()
        """,
        session_ids,
    )
    return {row["session_id"]: user_of(row) for row in rows}


async def rotate_refresh(session: Session, session_id: UUID, old_hash: bytes, new_hash: bytes) -> UUID | None:
    """Replace a session's refresh token if ``old_hash`` is the valid one; returns the user's id, or None."""
    user_id: UUID | None = await session.fetchval(
        """
        UPDATE sessions SET refresh_hash = $3
        WHERE id = $1 AND refresh_hash = $2 AND revoked_at IS NULL AND expires_at > now()
        RETURNING user_id
        """,
        session_id,
        old_hash,
        new_hash,
    )
    return user_id


async def revoke_session(session: Session, session_id: UUID) -> bool:
    """End a session; its access tokens die with it. Returns whether it was still alive."""
    tag = await session.execute(
        "UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", session_id
    )
    return bool(tag == "UPDATE 1")


async def revoke_sessions_of(session: Session, user_id: UUID, *, but: UUID | None = None) -> None:
    """End all of a user's sessions, except ``but``."""
    await session.execute(
        "UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $2",
        user_id,
        but,
    )


# Rate limits: one upsert, right over all replicas. A window begins with its first hit and ends as a whole.

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


async def forget_hits(session: Session, key: str) -> None:
    """Forget the hits on ``key``: the right password was given."""
    await session.execute("DELETE FROM rate_limits WHERE key = $1", key)


async def purge(session: Session) -> None:
    """Delete what has ended: windows of limits, and sessions a day after their end."""
    await session.execute("DELETE FROM rate_limits WHERE window_ends_at < now()")
    await session.execute("DELETE FROM sessions WHERE expires_at < now() - interval '1 day'")
