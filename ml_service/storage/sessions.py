"""Sessions: one sign-in is one session, a family of refresh tokens; only the newest is valid (RFC 9700, 4.14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ml_service.domain.users import User
from ml_service.storage.database import Session
from ml_service.storage.users import Login, user_of


@dataclass(frozen=True, slots=True)
class Device:
    """Where somebody signed in from, as far as they said; None: unknown."""

    address: str | None = None
    client: str | None = None


UNKNOWN_DEVICE = Device()


async def add(
    session: Session,
    session_id: UUID,
    login: Login,
    refresh_hash: bytes,
    lifetime_s: float,
    device: Device = UNKNOWN_DEVICE,
) -> bool:
    """Begin a session that ends after ``lifetime_s`` seconds, if ``login`` still has the password that was checked.

    The user's row stays locked until the commit, so that a change of password either sees this session or refuses it.
    """
    tag = await session.execute(
        """
        INSERT INTO sessions (id, user_id, refresh_hash, expires_at, address, client)
        SELECT $1, u.id, $3, now() + $4 * interval '1 second', $6, $7 FROM users AS u
        WHERE u.id = $2 AND u.password_hash IS NOT DISTINCT FROM $5 AND NOT u.is_blocked FOR SHARE
        """,
        session_id,
        login.user_id,
        refresh_hash,
        lifetime_s,
        login.password_hash,
        device.address,
        device.client,
    )
    return bool(tag == "INSERT 0 1")


async def users_of_sessions(session: Session, session_ids: list[UUID]) -> dict[UUID, User]:
    """The users of those sessions that are still valid."""
    rows = await session.fetch(
        """
        SELECT s.id AS session_id, u.id, u.username, u.is_admin, u.staff_role, u.is_demo, u.balance, u.created_at,
            u.language, u.notify
        FROM sessions AS s JOIN users AS u ON u.id = s.user_id
        WHERE s.id = ANY($1::uuid[]) AND s.revoked_at IS NULL AND s.expires_at > now()
        """,
        session_ids,
    )
    return {row["session_id"]: user_of(row) for row in rows}


async def valid_among(session: Session, session_ids: list[UUID]) -> set[UUID]:
    """Which of those sessions are still valid, as `users_of_sessions` has it."""
    rows = await session.fetch(
        "SELECT id FROM sessions WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL AND expires_at > now()", session_ids
    )
    return {row["id"] for row in rows}


async def rotate_refresh(session: Session, session_id: UUID, old_hash: bytes, new_hash: bytes) -> UUID | None:
    """Replace a session's refresh token if ``old_hash`` is the valid one; returns the user's id, or None."""
    user_id: UUID | None = await session.fetchval(
        """
        UPDATE sessions SET refresh_hash = $3, last_used_at = now()
        WHERE id = $1 AND refresh_hash = $2 AND revoked_at IS NULL AND expires_at > now()
        RETURNING user_id
        """,
        session_id,
        old_hash,
        new_hash,
    )
    return user_id


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that goes on; ``last_used_at`` is when its tokens were last renewed."""

    id: UUID
    created_at: datetime
    last_used_at: datetime
    device: Device


_LIST = """
    SELECT id, created_at, last_used_at, address, client FROM sessions  -- sessions_of_user
    WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
    ORDER BY last_used_at DESC, id DESC LIMIT $2
"""


async def list_of(session: Session, user_id: UUID, limit: int) -> list[SignIn]:
    """A user's sign-ins that go on, the last used first."""
    rows = await session.fetch(_LIST, user_id, limit)
    return [
        SignIn(row["id"], row["created_at"], row["last_used_at"], Device(row["address"], row["client"])) for row in rows
    ]


async def revoke_of(session: Session, user_id: UUID, session_id: UUID) -> bool:
    """End a user's session; False where there is none that goes on."""
    tag = await session.execute(
        "UPDATE sessions SET revoked_at = now()"
        " WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()",
        session_id,
        user_id,
    )
    return bool(tag == "UPDATE 1")


async def revoke(session: Session, session_id: UUID) -> bool:
    """End a session; its access tokens die with it. Returns whether it was still alive."""
    tag = await session.execute(
        "UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", session_id
    )
    return bool(tag == "UPDATE 1")


async def revoke_all_of(session: Session, user_id: UUID, *, but: UUID | None = None) -> None:
    """End all of a user's sessions, except ``but``."""
    await session.execute(
        "UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $2",
        user_id,
        but,
    )


async def delete_ended(session: Session) -> None:
    """Delete sessions a day after their end."""
    await session.execute("DELETE FROM sessions WHERE expires_at < now() - interval '1 day'")
