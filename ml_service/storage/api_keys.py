"""API keys in PostgreSQL.

What a key with a cap holds is counted by the submit statement (submissions.py), what others hold by `count`, later,
from the ledger (decision 0024). The statements that release it call `give_back_to_keys` (in the migrations) once its
user's row is locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ml_service.domain.credentials import ApiKey, CapPer, Scope, SpendCap, Spent
from ml_service.domain.users import User, deleted_name
from ml_service.storage.database import Session
from ml_service.storage.users import user_of

_COLUMNS = """k.id, k.user_id, k.name, k.prefix, k.scopes, k.models, k.cap_credits, k.cap_per, k.rate_limit_per_minute,
    CASE WHEN k.spent_on = (now() AT TIME ZONE 'UTC')::date THEN k.spent_day ELSE 0 END AS spent_day,
    CASE WHEN k.spent_on >= date_trunc('month', now() AT TIME ZONE 'UTC') THEN k.spent_month ELSE 0 END AS spent_month,
    k.spent_total, k.created_at, k.expires_at, k.last_used_at, k.revoked_at"""


def _key_of(row: Any) -> ApiKey:
    cap = None if row["cap_credits"] is None else SpendCap(row["cap_credits"], CapPer(row["cap_per"]))
    return ApiKey(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        prefix=row["prefix"],
        scopes=frozenset(map(Scope, row["scopes"])),
        models=None if row["models"] is None else tuple(row["models"]),
        cap=cap,
        rate_limit_per_minute=row["rate_limit_per_minute"],
        spent=Spent(row["spent_day"], row["spent_month"], row["spent_total"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )


@dataclass(frozen=True, slots=True)
class KeyFields:
    """What may be said of a key when it is made or changed."""

    name: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None = None
    cap: SpendCap | None = None
    rate_limit_per_minute: int | None = None
    expires_at: datetime | None = None


# The user's row is locked, so that the number of keys is exact.
_ADD = f"""
    WITH owner AS MATERIALIZED (
        SELECT u.id FROM users AS u WHERE u.id = $2 AND u.username_key <> $13 FOR NO KEY UPDATE
    ), k AS (
        INSERT INTO api_keys (
            id, user_id, name, prefix, scopes, models, cap_credits, cap_per, rate_limit_per_minute, expires_at
        )
        SELECT $1, o.id, $3, $4, $5, $6, $7, $8, $9, $10 FROM owner AS o
        WHERE (SELECT count(*) FROM api_keys AS a WHERE a.user_id = o.id AND a.revoked_at IS NULL) < $12
        RETURNING *
    ), token AS (
        INSERT INTO api_key_tokens (token_hash, key_id) SELECT $11, id FROM k
    )
    SELECT {_COLUMNS} FROM k
"""  # noqa: S608  columns only


async def add(
    session: Session,
    key_id: UUID,
    user_id: UUID,
    fields: KeyFields,
    *,
    prefix: str,
    token_hash: bytes,
    keys_max: int,
) -> ApiKey | None:
    """Add a key; None where the account was deleted, or has ``keys_max`` keys that are not revoked."""
    # A statement sees what was there when it began, and another one may be adding: wait for the user's row first.
    await _lock_user(session, user_id)
    arguments = (key_id, user_id, fields.name, prefix, *_values(fields), token_hash, keys_max, deleted_name(user_id))
    row = await session.fetchrow(_ADD, *arguments)
    return None if row is None else _key_of(row)


async def _lock_user(session: Session, user_id: UUID) -> None:
    await session.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)


def _values(fields: KeyFields) -> tuple[Any, ...]:
    cap = fields.cap
    return (
        sorted(fields.scopes),
        None if fields.models is None else list(fields.models),
        None if cap is None else cap.credits,
        None if cap is None else cap.per,
        fields.rate_limit_per_minute,
        fields.expires_at,
    )


async def count(session: Session, user_id: UUID, rows_max: int | None = None) -> bool:
    """Count what a user's keys have held since they were counted; locks the user's row until the commit.

    Args:
        rows_max: Of the user's ledger, so many rows at most; None: all.

    Returns:
        Whether there may be more.
    """
    return bool(await session.fetchval("SELECT count_keys($1, $2)", user_id, rows_max))


async def users_to_count(session: Session, used_within_s: float) -> list[UUID]:
    """The users of keys that are counted later, and were used in the last seconds."""
    rows = await session.fetch(
        """
        SELECT DISTINCT user_id FROM api_keys
        WHERE counted_to IS NOT NULL AND last_used_at > now() - $1 * interval '1 second'
        """,
        used_within_s,
    )
    return [row["user_id"] for row in rows]


_GET = f"SELECT {_COLUMNS} FROM api_keys AS k WHERE k.id = $1 AND k.user_id = $2"  # noqa: S608  columns only
_LIST = f"""
    SELECT {_COLUMNS} FROM api_keys AS k  -- api_keys_of_user
    WHERE k.user_id = $1 AND k.revoked_at IS NULL ORDER BY k.id DESC LIMIT $2
"""  # noqa: S608  columns only


async def get(session: Session, user_id: UUID, key_id: UUID, *, locks: bool = False) -> ApiKey | None:
    """A user's key, a revoked one too; ``locks``: it and the user until the commit, in the order of everywhere.

    What it has spent is as it was counted last; with ``locks``, counted now.
    """
    if locks:
        await count(session, user_id)
    row = await session.fetchrow(_GET + " FOR NO KEY UPDATE" if locks else _GET, key_id, user_id)
    return None if row is None else _key_of(row)


async def list_of(session: Session, user_id: UUID, limit: int) -> list[ApiKey]:
    """A user's keys that are not revoked, the newest first."""
    return [_key_of(row) for row in await session.fetch(_LIST, user_id, limit)]


_ALL = f"""
    SELECT {_COLUMNS} FROM api_keys AS k  -- api_keys_of_user
    WHERE k.user_id = $1 AND k.id < $2 ORDER BY k.id DESC LIMIT $3
"""  # noqa: S608  columns only


async def all_of(session: Session, user_id: UUID, before: UUID, limit: int) -> list[ApiKey]:
    """A user's keys with ids below ``before``, revoked ones too, the newest first."""
    return [_key_of(row) for row in await session.fetch(_ALL, user_id, before, limit)]


async def owner_of(session: Session, key_id: UUID) -> UUID | None:
    """Whose key this is."""
    owner: UUID | None = await session.fetchval("SELECT user_id FROM api_keys WHERE id = $1", key_id)
    return owner


_CHANGE = f"""
    UPDATE api_keys AS k SET name = $3, scopes = $4, models = $5, cap_credits = $6, cap_per = $7,
        rate_limit_per_minute = $8, expires_at = $9
    WHERE k.id = $1 AND k.user_id = $2 AND k.revoked_at IS NULL
    RETURNING {_COLUMNS}
"""  # noqa: S608  columns only


async def change(session: Session, user_id: UUID, key_id: UUID, fields: KeyFields) -> ApiKey | None:
    """Change a key that is not revoked, and that `get` has locked; its counters go on."""
    row = await session.fetchrow(_CHANGE, key_id, user_id, fields.name, *_values(fields))
    return None if row is None else _key_of(row)


async def revoke(session: Session, user_id: UUID, key_id: UUID) -> bool:
    """Revoke a user's key; False where there is none that goes on."""
    await _lock_user(session, user_id)  # a trigger writes to it, and users come before keys
    tag = await session.execute(
        "UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL", key_id, user_id
    )
    return bool(tag == "UPDATE 1")


_ROTATE = """
    UPDATE api_key_tokens SET valid_until = now() + $2 * interval '1 second' WHERE key_id = $1 AND valid_until IS NULL
"""
_FORGET_ENDED = "DELETE FROM api_key_tokens WHERE key_id = $1 AND valid_until <= now()"


async def rotate(session: Session, key: ApiKey, *, prefix: str, token_hash: bytes, grace_s: float) -> None:
    """Give a locked key a new token. The one before stays valid for ``grace_s`` seconds, older ones as said then."""
    await session.execute(_ROTATE, key.id, grace_s)
    await session.execute("INSERT INTO api_key_tokens (token_hash, key_id) VALUES ($1, $2)", token_hash, key.id)
    await session.execute("UPDATE api_keys SET prefix = $2 WHERE id = $1", key.id, prefix)
    await session.execute(_FORGET_ENDED, key.id)


async def count_tokens(session: Session, key_id: UUID) -> int:
    """How many tokens of a key are valid."""
    return int(
        await session.fetchval(
            "SELECT count(*) FROM api_key_tokens WHERE key_id = $1 AND coalesce(valid_until > now(), true)", key_id
        )
    )


@dataclass(frozen=True, slots=True)
class KeyUser:
    """A key that is valid, and the user that it acts for."""

    key: ApiKey
    user: User
    is_blocked: bool


_OF_TOKENS = f"""
    SELECT t.token_hash, u.username, u.is_admin, u.staff_role, u.is_demo, u.balance, u.created_at AS user_created_at,
        u.language, u.notify, u.is_blocked, {_COLUMNS}
    FROM api_key_tokens AS t JOIN api_keys AS k ON k.id = t.key_id JOIN users AS u ON u.id = k.user_id
    WHERE t.token_hash = ANY ($1::bytea[]) AND coalesce(t.valid_until > now(), true) AND k.revoked_at IS NULL
        AND coalesce(k.expires_at > now(), true)
"""  # noqa: S608  columns only


async def of_tokens(session: Session, token_hashes: Sequence[bytes]) -> dict[bytes, KeyUser]:
    """The valid keys of these tokens, and their users."""
    found = {}
    for row in await session.fetch(_OF_TOKENS, token_hashes):
        user = user_of({**row, "id": row["user_id"], "created_at": row["user_created_at"]})
        found[row["token_hash"]] = KeyUser(_key_of(row), user, row["is_blocked"])
    return found


async def valid_among(session: Session, token_hashes: list[bytes]) -> set[bytes]:
    """Which of these tokens are valid and may read, as `of_tokens` has it."""
    rows = await session.fetch(
        """
        SELECT t.token_hash FROM api_key_tokens AS t JOIN api_keys AS k ON k.id = t.key_id
        JOIN users AS u ON u.id = k.user_id
        WHERE t.token_hash = ANY ($1::bytea[]) AND coalesce(t.valid_until > now(), true) AND k.revoked_at IS NULL
            AND coalesce(k.expires_at > now(), true) AND 'read' = ANY (k.scopes) AND NOT u.is_blocked
        """,
        token_hashes,
    )
    return {row["token_hash"] for row in rows}


# A row that is locked is in use, which notes the time too, or is counted.
_USED = """
    UPDATE api_keys AS k SET last_used_at = now() FROM (
        SELECT id FROM api_keys
        WHERE id = ANY ($1::uuid[]) AND coalesce(last_used_at < now() - $2 * interval '1 second', true)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ) AS used
    WHERE k.id = used.id
"""


async def note_use(session: Session, key_ids: Sequence[UUID], every_s: float) -> None:
    """Note that these keys are used now, those for which it was not noted in the last ``every_s`` seconds."""
    await session.execute(_USED, key_ids, every_s)


async def count_hits(
    session: Session, hits: Sequence[tuple[UUID, int]], window_s: float
) -> dict[UUID, tuple[int, float]]:
    """Count hits on keys, in one statement; for each key the hits in this window and the seconds until it ends."""
    ids, counts = zip(*sorted(hits), strict=True)
    rows = await session.fetch(_HIT, ids, counts, window_s)
    return {row["id"]: (row["count"], row["seconds_left"]) for row in rows}


_HIT = """
    INSERT INTO rate_limits AS r (key, count, window_ends_at)
    SELECT 'api_key:' || h.id, h.count, now() + $3 * interval '1 second'
    FROM unnest($1::uuid[], $2::int[]) AS h (id, count) ORDER BY h.id
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN r.window_ends_at <= now() THEN excluded.count ELSE r.count + excluded.count END,
        window_ends_at = CASE WHEN r.window_ends_at <= now() THEN excluded.window_ends_at ELSE r.window_ends_at END
    RETURNING substr(key, 9)::uuid AS id, count, extract(epoch FROM window_ends_at - now())::float8 AS seconds_left
"""
