"""Fills a database with history: millions of finished predictions of many users, with their ledger rows."""

from __future__ import annotations

from uuid import UUID

import asyncpg

CHUNK = 100_000
FIRST_MS = 1_735_689_600_000
"""2025-01-01, in milliseconds since 1970."""
KEPT = ("predictions_pkey", "users_pkey", "users_username_key_key", "transactions_pkey")

_USERS = """
    INSERT INTO users (id, username, username_key, balance)
    SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'old' || n, 'old' || n, 1000
    FROM generate_series(1, $1::int) AS n
"""
# Ids like the service's: a timestamp (one per millisecond), then random bits. Owners are spread pseudo-randomly, so
# that a user's rows are far apart, as after a year. Three writes per row, like the service's, because the free space of
# old pages decides where new rows go.
_ASKED = """
    INSERT INTO predictions (id, user_id, model, version, source, cost, created_at, input)
    SELECT
        (lpad(to_hex($4::bigint + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
            || 'a' || substr(md5(n::text), 4, 15))::uuid,
        ('01900000-0000-7000-8000-' || lpad(to_hex(1 + (hashint8(n)::bigint + 2147483648) % $3), 12, '0'))::uuid,
        'echo', '1', 'api', 1, timestamptz '2025-01-01' + n * interval '1 millisecond',
        json_build_object('text', 'The parcel came on time, thank you! ' || n)
    FROM generate_series($1::bigint, $2::bigint) AS n
"""
_CLAIMED = """
    UPDATE predictions
    SET status = 'processing', version = '1', attempts = 1, worker_id = 'old', started_at = created_at
    WHERE id >= $1 AND id < $2
"""
_FINISHED = """
    UPDATE predictions SET status = 'succeeded', predict_ms = 0.1, finished_at = created_at, output = input
    WHERE id >= $1 AND id < $2
"""
_LEDGER = """
    INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id, created_at)
    SELECT p.user_id, k.kind, 1, p.id, 'user', p.user_id::text, p.created_at
    FROM predictions AS p, (VALUES ('hold'), ('capture')) AS k (kind)
    WHERE p.created_at >= timestamptz '2025-01-01' + $1::bigint * interval '1 millisecond'
        AND p.created_at <= timestamptz '2025-01-01' + $2::bigint * interval '1 millisecond'
"""


async def fill(session: asyncpg.Connection[asyncpg.Record], predictions: int, users: int) -> None:
    """Add ``users`` users and ``predictions`` finished predictions, with a hold and a capture each."""
    await session.execute("SET synchronous_commit = off")
    await session.execute("SET maintenance_work_mem = '512MB'")
    indexes = await session.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " AND tablename IN ('predictions', 'transactions') AND indexname <> ALL ($1)",
        list(KEPT),
    )
    for index in indexes:  # built once at the end, not row by row
        await session.execute(f"DROP INDEX {index['indexname']}")
    await session.execute(_USERS, users)
    for start in range(1, predictions + 1, CHUNK):
        end = min(predictions + 1, start + CHUNK)
        await session.execute(_ASKED, start, end - 1, users, FIRST_MS)
        for change in (_CLAIMED, _FINISHED):
            await session.execute(change, _first_id(start), _first_id(end))
    await session.execute(_LEDGER, 1, predictions)
    for index in indexes:
        await session.execute(index["indexdef"].replace(" ON ONLY ", " ON "))  # and on each partition
    await session.execute("VACUUM (ANALYZE)")
    await session.execute("CHECKPOINT")


def _first_id(number: int) -> UUID:
    """The lowest id of that millisecond."""
    return UUID(int=(FIRST_MS + number) << 80)
