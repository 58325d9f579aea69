"""Users as an admin looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ml_service.domain.roles import Role
from ml_service.domain.users import deleted_name, username_key
from ml_service.storage.database import Session
from ml_service.storage.users import keeping_an_admin, role_of

LAST_ID = UUID(int=2**128 - 1)
LAST_CHARACTER = "\U0010ffff"
"""Whatever begins with a text comes before the text with this behind it."""


@dataclass(frozen=True, slots=True)
class UserAccount:
    """A user with balance, held credits and rights.

    Attributes:
        last_seen_at: When a sign-in that goes on was last used, or the last prediction asked for; None: not known.
    """

    id: UUID
    username: str
    balance: int
    held: int
    role: Role | None
    is_demo: bool
    is_blocked: bool
    created_at: datetime
    last_seen_at: datetime | None

    @property
    def is_deleted(self) -> bool:
        """Whether the user has deleted the account, of which the ledger is left."""
        return self.username == deleted_name(self.id)


# For each user of a page: predictions_open and bulk_jobs_open (what is held, as in storage/ledger.py), sessions_of_user
# and predictions_of_user; see storage/history.py for the pairs.
_LIST = """
    SELECT u.id, u.username, u.balance,
        (SELECT coalesce(sum(p.cost), 0)::bigint FROM predictions AS p
         WHERE p.user_id = u.id AND p.finished_at IS NULL)
        + (SELECT coalesce(sum(b.waiting * b.price_credits), 0)::bigint FROM bulk_jobs AS b
           WHERE b.user_id = u.id AND b.finished_at IS NULL AND b.status = 'running') AS held,
        u.is_admin, u.staff_role, u.is_demo, u.is_blocked, u.created_at,
        greatest(
            (SELECT max(s.last_used_at) FROM sessions AS s WHERE s.user_id = u.id AND s.revoked_at IS NULL),
            (SELECT p.created_at FROM predictions AS p
             WHERE (p.user_id, p.id) >= (u.id, '00000000-0000-0000-0000-000000000000')
                AND (p.user_id, p.id) <= (u.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             ORDER BY p.user_id DESC, p.id DESC LIMIT 1)
        ) AS last_seen_at
    FROM (SELECT * FROM users WHERE id < $1 ORDER BY id DESC LIMIT $2) AS u
    ORDER BY u.id DESC
"""
_LIST_BY_NAME = """
    SELECT u.id, u.username, u.balance,
        (SELECT coalesce(sum(p.cost), 0)::bigint FROM predictions AS p
         WHERE p.user_id = u.id AND p.finished_at IS NULL)
        + (SELECT coalesce(sum(b.waiting * b.price_credits), 0)::bigint FROM bulk_jobs AS b
           WHERE b.user_id = u.id AND b.finished_at IS NULL AND b.status = 'running') AS held,
        u.is_admin, u.staff_role, u.is_demo, u.is_blocked, u.created_at,
        greatest(
            (SELECT max(s.last_used_at) FROM sessions AS s WHERE s.user_id = u.id AND s.revoked_at IS NULL),
            (SELECT p.created_at FROM predictions AS p
             WHERE (p.user_id, p.id) >= (u.id, '00000000-0000-0000-0000-000000000000')
                AND (p.user_id, p.id) <= (u.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             ORDER BY p.user_id DESC, p.id DESC LIMIT 1)
        ) AS last_seen_at
    FROM (
        SELECT * FROM users
        WHERE id < $1 AND username_key ~>=~ $3 AND username_key ~<~ $4  -- users_by_name
        ORDER BY id DESC LIMIT $2
    ) AS u
    ORDER BY u.id DESC
"""
_GET = """
    SELECT u.id, u.username, u.balance,
        (SELECT coalesce(sum(p.cost), 0)::bigint FROM predictions AS p
         WHERE p.user_id = u.id AND p.finished_at IS NULL)
        + (SELECT coalesce(sum(b.waiting * b.price_credits), 0)::bigint FROM bulk_jobs AS b
           WHERE b.user_id = u.id AND b.finished_at IS NULL AND b.status = 'running') AS held,
        u.is_admin, u.staff_role, u.is_demo, u.is_blocked, u.created_at,
        greatest(
            (SELECT max(s.last_used_at) FROM sessions AS s WHERE s.user_id = u.id AND s.revoked_at IS NULL),
            (SELECT p.created_at FROM predictions AS p
             WHERE (p.user_id, p.id) >= (u.id, '00000000-0000-0000-0000-000000000000')
                AND (p.user_id, p.id) <= (u.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             ORDER BY p.user_id DESC, p.id DESC LIMIT 1)
        ) AS last_seen_at
    FROM users AS u WHERE u.id = $1
"""


def _account_of(row: Any) -> UserAccount:
    fields = dict(row)
    role = role_of(is_admin=fields.pop("is_admin"), staff_role=fields.pop("staff_role"))
    return UserAccount(**fields, role=role)


async def page(session: Session, *, name: str | None, before: UUID | None, limit: int) -> list[UserAccount]:
    """Users, the newest first; with ``name`` those whose name begins with it, without regard to case."""
    if name is None:
        rows = await session.fetch(_LIST, before or LAST_ID, limit)
    else:
        key = username_key(name)
        rows = await session.fetch(_LIST_BY_NAME, before or LAST_ID, limit, key, key + LAST_CHARACTER)
    return [_account_of(row) for row in rows]


async def get(session: Session, user_id: UUID) -> UserAccount | None:
    """A user."""
    row = await session.fetchrow(_GET, user_id)
    return None if row is None else _account_of(row)


async def set_blocked(session: Session, user_id: UUID, *, is_blocked: bool) -> bool | None:
    """Block a user or end the block; returns whether they were blocked before, None where there is no such account.

    The user's row stays locked until the commit: a concurrent sign-in waits and is refused, or has been committed
    before. Raises LastAdmin where nobody who can sign in would be an admin.
    """
    before: bool | None = await session.fetchval(
        "SELECT is_blocked FROM users WHERE id = $1 AND username_key <> $2 FOR NO KEY UPDATE",
        user_id,
        deleted_name(user_id),
    )
    if before is not None:
        with keeping_an_admin():
            await session.execute("UPDATE users SET is_blocked = $2 WHERE id = $1", user_id, is_blocked)
    return before
