"""Users in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from ml_service.domain.errors import LastAdmin
from ml_service.domain.roles import Role
from ml_service.domain.users import User, deleted_name, username_key
from ml_service.storage.database import Session


def role_of(*, is_admin: bool, staff_role: str | None) -> Role | None:
    """The role that these two columns say."""
    if is_admin:
        return Role.ADMIN
    return None if staff_role is None else Role(staff_role)


def user_of(row: Any) -> User:
    """Make a User of a row that has all of a user's columns."""
    return User(
        id=row["id"],
        username=row["username"],
        role=role_of(is_admin=row["is_admin"], staff_role=row["staff_role"]),
        is_demo=row["is_demo"],
        balance=row["balance"],
        created_at=row["created_at"],
        language=row["language"],
        notify=tuple(row["notify"]),
    )


_ADD = """
    INSERT INTO users (id, username, username_key, password_hash, is_demo)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (username_key) DO NOTHING
    RETURNING id, username, is_admin, staff_role, is_demo, balance, created_at, language, notify
"""


async def add(
    session: Session,
    user_id: UUID,
    username: str,
    password_hash: str | None,
    *,
    is_demo: bool = False,
) -> User | None:
    """Add a user with balance 0; None where the name is taken."""
    row = await session.fetchrow(_ADD, user_id, username, username_key(username), password_hash, is_demo)
    return None if row is None else user_of(row)


async def get_by_name(session: Session, username: str) -> User | None:
    """The user of this name, compared without case."""
    row = await session.fetchrow(
        "SELECT id, username, is_admin, staff_role, is_demo, balance, created_at, language, notify"
        " FROM users WHERE username_key = $1",
        username_key(username),
    )
    return None if row is None else user_of(row)


@dataclass(frozen=True, slots=True)
class Login:
    """What a sign-in is checked against."""

    user_id: UUID
    password_hash: str | None
    is_demo: bool
    is_blocked: bool = False


async def login_of(session: Session, username: str) -> Login | None:
    """Id and password hash of the user of this name."""
    row = await session.fetchrow(
        "SELECT id, password_hash, is_demo, is_blocked FROM users WHERE username_key = $1", username_key(username)
    )
    return None if row is None else Login(*row)


async def is_deleted(session: Session, user_id: UUID) -> bool:
    """Whether the user has deleted the account; the row stays, for the ledger."""
    return bool(
        await session.fetchval(
            "SELECT EXISTS (SELECT FROM users WHERE id = $1 AND username_key = $2)", user_id, deleted_name(user_id)
        )
    )


async def set_password_hash(session: Session, user_id: UUID, password_hash: str) -> bool:
    """Replace a user's password hash; False where there is no such account."""
    tag = await session.execute(
        "UPDATE users SET password_hash = $2 WHERE id = $1 AND username_key <> $3",
        user_id,
        password_hash,
        deleted_name(user_id),
    )
    return bool(tag == "UPDATE 1")


async def replace_password_hash(session: Session, user_id: UUID, old: str | None, new: str) -> bool:
    """Replace a user's password hash if it is still ``old``; afterwards the row is locked until the commit."""
    tag = await session.execute(
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash IS NOT DISTINCT FROM $2", user_id, old, new
    )
    return bool(tag == "UPDATE 1")


_SET_PREFERENCES = """
    UPDATE users SET
        language = CASE WHEN $2 THEN $3 ELSE language END,
        notify = coalesce($4::text[], notify)
    WHERE id = $1 AND username_key <> $5
    RETURNING id, username, is_admin, staff_role, is_demo, balance, created_at, language, notify
"""


async def set_preferences(
    session: Session, user_id: UUID, *, sets_language: bool, language: str | None, notify: Sequence[str] | None
) -> User | None:
    """Change what a user prefers; ``notify`` None leaves it as it is. None where the account was just deleted."""
    row = await session.fetchrow(_SET_PREFERENCES, user_id, sets_language, language, notify, deleted_name(user_id))
    return None if row is None else user_of(row)


async def set_role(session: Session, user_id: UUID, role: Role | None) -> tuple[Role | None] | None:
    """Give a user a role; returns the one before, in a tuple, or None where there is no such account.

    The role is looked up at each request, so this is in force on all replicas as soon as it is committed.

    Raises:
        LastAdmin: Nobody who can sign in would be an admin.
        asyncpg.CheckViolationError: It is the demo user.
    """
    row = await session.fetchrow(
        "SELECT is_admin, staff_role FROM users WHERE id = $1 AND username_key <> $2 FOR NO KEY UPDATE",
        user_id,
        deleted_name(user_id),
    )
    if row is None:
        return None
    staff_role = None if role is Role.ADMIN else role
    with keeping_an_admin():
        await session.execute(
            "UPDATE users SET is_admin = $2, staff_role = $3 WHERE id = $1", user_id, role is Role.ADMIN, staff_role
        )
    return (role_of(**dict(row)),)


@contextmanager
def keeping_an_admin() -> Iterator[None]:
    """Say in words that the trigger `users_keep_an_admin` refused a statement; raises LastAdmin."""
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "users_last_admin":
            raise
        raise LastAdmin("This is the last admin who can sign in: make another one first.") from None


async def lock_out_demo_users(session: Session) -> int:
    """Take the password, the sessions and the API keys from demo users, for production; returns how many there were."""
    locked = await session.fetch(
        "UPDATE users SET password_hash = NULL WHERE is_demo AND password_hash IS NOT NULL RETURNING id"
    )
    await session.execute(
        "UPDATE sessions SET revoked_at = now()"
        " WHERE revoked_at IS NULL AND user_id IN (SELECT id FROM users WHERE is_demo)"
    )
    await session.execute("SELECT FROM users WHERE is_demo ORDER BY id FOR NO KEY UPDATE")  # they come before keys
    await session.execute(
        "UPDATE api_keys SET revoked_at = now()"
        " WHERE revoked_at IS NULL AND user_id IN (SELECT id FROM users WHERE is_demo)"
    )
    return len(locked)


async def any_exists(session: Session) -> bool:
    """Whether the database holds users already, or even tables."""
    if await session.fetchval("SELECT to_regclass('users') IS NULL"):
        return False
    return bool(await session.fetchval("SELECT EXISTS (SELECT FROM users)"))
