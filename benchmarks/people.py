"""Users with plenty of credits, sessions, tokens and API keys; and predictions inserted as if submitted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import jwt

from benchmarks.place import SECRET
from ml_service.domain.credentials import hash_of, new_token
from ml_service.domain.ids import new_id
from services.app.auth.access_tokens import ALGORITHM, AUDIENCE, ISSUER

BALANCE_CREDITS = 10**12
LIFETIME_S = 86_400


@dataclass(frozen=True, slots=True)
class LoadUser:
    """A user and an access token."""

    id: UUID
    token: str


async def add_people(session: asyncpg.Connection[asyncpg.Record], number: int) -> list[LoadUser]:
    """Add users with a session each."""
    pairs = [(new_id(), new_id()) for _ in range(number)]
    await session.execute(
        "INSERT INTO users (id, username, username_key, balance, grants_left)"
        " SELECT id, id::text, id::text, $2, $2 FROM unnest($1::uuid[]) AS u (id)",
        [user for user, _ in pairs],
        BALANCE_CREDITS,
    )
    await session.execute(
        "INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)"
        " SELECT id, 'grant', $2, 'system', 'benchmark' FROM unnest($1::uuid[]) AS u (id)",
        [user for user, _ in pairs],
        BALANCE_CREDITS,
    )
    await session.execute(
        "INSERT INTO sessions (id, user_id, refresh_hash, expires_at)"
        " SELECT s.id, s.user_id, '', now() + interval '1 day'"
        " FROM unnest($1::uuid[], $2::uuid[]) AS s (id, user_id)",
        [own for _, own in pairs],
        [user for user, _ in pairs],
    )
    await session.execute("ANALYZE users, sessions")
    return [LoadUser(user, _token(user, own)) for user, own in pairs]


async def add_keys(
    session: asyncpg.Connection[asyncpg.Record], people: list[LoadUser], cap_credits: int | None
) -> list[str]:
    """Add an API key for each, with a cap per day if one is given; returns them."""
    keys = [(new_id(), new_token()) for _ in people]
    await session.execute(
        "INSERT INTO api_keys (id, user_id, name, prefix, scopes, cap_credits, cap_per)"
        " SELECT k.id, k.user_id, 'benchmark', '', '{predict}', $3::bigint,"
        " CASE WHEN $3::bigint IS NOT NULL THEN 'day' END"
        " FROM unnest($1::uuid[], $2::uuid[]) AS k (id, user_id)",
        [key_id for key_id, _ in keys],
        [person.id for person in people],
        cap_credits,
    )
    await session.execute(
        "INSERT INTO api_key_tokens (token_hash, key_id) SELECT * FROM unnest($1::bytea[], $2::uuid[])",
        [hash_of(token) for _, token in keys],
        [key_id for key_id, _ in keys],
    )
    await session.execute("ANALYZE api_keys, api_key_tokens")
    return [token for _, token in keys]


def _token(user: UUID, session: UUID) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user),
        "sid": str(session),
        "typ": "access",
        "iat": now,
        "exp": now + LIFETIME_S,
    }
    return jwt.encode(claims, SECRET, algorithm=ALGORITHM)


_QUEUED = """
    WITH item AS (
        SELECT i.id, i.user_id FROM unnest($1::uuid[], $2::uuid[]) AS i (id, user_id)
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, 'hold', 1, id, 'user', user_id::text FROM item
    ), debited AS (
        UPDATE users SET balance = balance - d.amount, grants_left = grants_left - d.amount
        FROM (SELECT user_id, count(*) AS amount FROM item GROUP BY user_id) AS d WHERE users.id = d.user_id
    )
    INSERT INTO predictions (id, user_id, model, version, source, cost, input)
    SELECT id, user_id, $3, '1', 'api', 1, $4::json FROM item
"""


async def add_predictions(
    session: asyncpg.Connection[asyncpg.Record], people: list[LoadUser], number: int, model: str, text: str
) -> list[UUID]:
    """Insert accepted predictions, round robin over the people, without the use case: the peers have none."""
    ids = [new_id() for _ in range(number)]
    owners = [people[place % len(people)].id for place in range(number)]
    await session.execute(_QUEUED, ids, owners, model, text)
    return ids
