"""Finding anything by its id, its number or the beginning of its name: each statement reads a few rows of an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ml_service.domain.users import username_key
from ml_service.storage.admin_users import LAST_CHARACTER
from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found.

    Attributes:
        kind: ``user``, ``prediction``, ``batch``, ``bulk_job``, ``api_key``, ``webhook``, ``transaction`` or ``chat``.
        user_id, username: Whose it is.
        title: What tells it apart from others of its kind: a name, a model, an address.
    """

    kind: str
    id: str
    user_id: UUID
    username: str
    title: str
    at: datetime


# Primary keys only. Of predictions it is read in one partition, which the time in the id names.
_BY_ID = """
    SELECT found.kind, $1::uuid::text AS id, u.id AS user_id, u.username, found.title, found.at
    FROM (
        SELECT 'user' AS kind, id AS user_id, username AS title, created_at AS at FROM users WHERE id = $1
        UNION ALL SELECT 'prediction', user_id, model || ' · ' || status, created_at FROM predictions WHERE id = $1
        UNION ALL SELECT 'batch', user_id, size::text, created_at FROM batches
        WHERE id = $1 AND NOT EXISTS (SELECT FROM bulk_jobs WHERE id = $1)  -- a job is the batch of its predictions
        UNION ALL SELECT 'bulk_job', user_id, model || ' · ' || status, created_at FROM bulk_jobs WHERE id = $1
        UNION ALL SELECT 'api_key', user_id, name, created_at FROM api_keys WHERE id = $1
        UNION ALL SELECT 'webhook', user_id, url, created_at FROM webhooks WHERE id = $1
    ) AS found JOIN users AS u ON u.id = found.user_id
"""
# Of chats the app may read only whose they are; the time is the account's.
_BY_NUMBER = """
    SELECT found.kind, $1::bigint::text AS id, u.id AS user_id, u.username, found.title,
        coalesce(found.at, u.created_at) AS at
    FROM (
        SELECT 'transaction' AS kind, user_id, kind || ' · ' || amount AS title, created_at AS at
        FROM transactions WHERE id = $1
        UNION ALL SELECT 'chat', user_id, 'Telegram', NULL FROM telegram_chats WHERE chat_id = $1
    ) AS found JOIN users AS u ON u.id = found.user_id
"""
_BY_PREFIX = """
    SELECT 'api_key' AS kind, k.id::text AS id, u.id AS user_id, u.username, k.name AS title, k.created_at AS at
    FROM (
        SELECT * FROM api_keys WHERE prefix ~>=~ $1 AND prefix ~<~ $2  -- api_keys_by_prefix
        ORDER BY prefix USING ~<~ LIMIT $3
    ) AS k JOIN users AS u ON u.id = k.user_id
"""
_BY_NAME = """
    SELECT 'user' AS kind, id::text AS id, id AS user_id, username, username AS title, created_at AS at
    FROM users WHERE username_key ~>=~ $1 AND username_key ~<~ $2  -- users_by_name
    ORDER BY username_key USING ~<~ LIMIT $3
"""


async def by_id(session: Session, id_: UUID) -> list[Found]:
    """What has this id."""
    return [Found(*row) for row in await session.fetch(_BY_ID, id_)]


async def by_number(session: Session, number: int) -> list[Found]:
    """The transaction and the chat of this number."""
    return [Found(*row) for row in await session.fetch(_BY_NUMBER, number)]


async def by_key_prefix(session: Session, prefix: str, limit: int) -> list[Found]:
    """API keys whose tokens begin like this."""
    return [Found(*row) for row in await session.fetch(_BY_PREFIX, prefix, prefix + LAST_CHARACTER, limit)]


async def by_name(session: Session, name: str, limit: int) -> list[Found]:
    """Users whose names begin like this, in the order of the names."""
    key = username_key(name)
    return [Found(*row) for row in await session.fetch(_BY_NAME, key, key + LAST_CHARACTER, limit)]
