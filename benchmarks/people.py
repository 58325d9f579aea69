"""Users who can pay for everything, with sessions and tokens; and predictions as if they had been asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import jwt

from benchmarks.place import SECRET
from ml_service.domain.predictions import new_id
from services.app.api.auth import ALGORITHM, AUDIENCE, ISSUER

BALANCE_CREDITS = 10**12
LIFETIME_S = 86_400


@dataclass(frozen=True, slots=True)
class Person:
    """A user and an access token of theirs."""

    id: UUID
    token: str


async def add_people(session: asyncpg.Connection[asyncpg.Record], number: int) -> list[Person]:
    """Add users with a session each."""
    pairs = [(new_id(), new_id()) for _ in range(number)]
    await session.execute(
        "INSERT INTO users (id, username, username_key, balance)"
        " SELECT id, id::text, id::text, $2 FROM unnest($1::uuid[]) AS u (id)",
        [user for user, _ in pairs],
        BALANCE_CREDITS,
    )
    await session.execute(
        "INSERT INTO transactions (user_id, kind, amount) SELECT id, 'grant', $2 FROM unnest($1::uuid[]) AS u (id)",
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
    return [Person(user, _token(user, own)) for user, own in pairs]


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
        INSERT INTO transactions (user_id, kind, amount, prediction_id) SELECT user_id, 'hold', 1, id FROM item
    ), debited AS (
        UPDATE users SET balance = balance - d.amount
        FROM (SELECT user_id, count(*) AS amount FROM item GROUP BY user_id) AS d WHERE users.id = d.user_id
    )
    INSERT INTO predictions (id, user_id, model, version, source, cost, input)
    SELECT id, user_id, $3, '1', 'api', 1, $4::json FROM item
"""


async def add_predictions(
    session: asyncpg.Connection[asyncpg.Record], people: list[Person], number: int, model: str, text: str
) -> list[UUID]:
    """Accepted predictions, in turns over the people, past the use case: for those who do not have one."""
    ids = [new_id() for _ in range(number)]
    owners = [people[place % len(people)].id for place in range(number)]
    await session.execute(_QUEUED, ids, owners, model, text)
    return ids
