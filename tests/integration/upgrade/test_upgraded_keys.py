"""API keys of before they were counted later (migration 0038): what each has spent is kept, and counted on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from uuid import UUID

import pytest

from engine.native.postgres import PostgresNode
from ml_service.domain.credentials import Principal
from ml_service.storage import api_keys, canceling, ledger, schema
from ml_service.storage.database import Database
from tests.support.nodes import execute
from tests.support.play import Play, announce_served
from tests.support.service import ECHO

pytestmark = pytest.mark.slow

ANNA, FREE, CAPPED, REVOKED = (UUID(int=number) for number in (1, 11, 12, 13))
ENDED, OPEN, OF_CAPPED, FAILED = (UUID(f"01900000-0000-7000-8000-00000000000{number}") for number in range(1, 5))
OF_BEFORE = f"""
    INSERT INTO users (id, username, username_key, balance, grants_left) VALUES ('{ANNA}', 'anna', 'anna', 88, 88);
    INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id) VALUES
        ('{ANNA}', 'grant', 100, 'system', 'registration');
    INSERT INTO api_keys (id, user_id, name, prefix, scopes, cap_credits, cap_per, revoked_at,
        spent_total, spent_month, spent_day) VALUES
        ('{FREE}', '{ANNA}', 'free', 'mls_a', '{{predict}}', NULL, NULL, NULL, 8, 8, 8),
        ('{CAPPED}', '{ANNA}', 'capped', 'mls_b', '{{predict}}', 10, 'total', NULL, 4, 4, 4),
        ('{REVOKED}', '{ANNA}', 'revoked', 'mls_c', '{{predict}}', NULL, NULL, now(), 0, 0, 0);
    INSERT INTO api_key_tokens (token_hash, key_id) VALUES ('\\x01', '{FREE}'), ('\\x02', '{CAPPED}');
    INSERT INTO predictions (id, user_id, model, version, source, cost, input, key_id, status, output, error_code,
        finished_at) VALUES
        ('{ENDED}', '{ANNA}', 'echo', '1', 'api', 5, '{{}}', '{FREE}', 'succeeded', '{{}}', NULL, now()),
        ('{OPEN}', '{ANNA}', 'echo', '1', 'api', 3, '{{}}', '{FREE}', 'queued', NULL, NULL, NULL),
        ('{OF_CAPPED}', '{ANNA}', 'echo', '1', 'api', 4, '{{}}', '{CAPPED}', 'queued', NULL, NULL, NULL),
        ('{FAILED}', '{ANNA}', 'echo', '1', 'api', 2, '{{}}', '{REVOKED}', 'failed', NULL, 'model_error', now());
    INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id) VALUES
        ('{ANNA}', 'hold', 5, '{ENDED}', 'key', '{FREE}'), ('{ANNA}', 'capture', 5, '{ENDED}', 'system', 'w'),
        ('{ANNA}', 'hold', 3, '{OPEN}', 'key', '{FREE}'), ('{ANNA}', 'hold', 4, '{OF_CAPPED}', 'key', '{CAPPED}'),
        ('{ANNA}', 'hold', 2, '{FAILED}', 'key', '{REVOKED}'), ('{ANNA}', 'release', 2, '{FAILED}', 'system', 'w');
"""

_numbers = count(1)


@pytest.fixture
async def play(postgres_node: PostgresNode) -> AsyncIterator[Play]:
    """Anna's database, brought from 0037 to the newest schema."""
    name = f"old_keys_{next(_numbers)}"
    await execute(postgres_node.dsn(), f"CREATE DATABASE {name}")
    url = postgres_node.dsn(name)
    await schema.migrate(url, "0037")
    await execute(url, OF_BEFORE)
    assert await schema.migrate(url) == ("0037", schema.newest_revision())
    database = await Database.connect(url, name="test", timeout_s=10)
    yield Play(database, ANNA, url)
    await database.close()
    await asyncio.shield(execute(postgres_node.dsn(), f"DROP DATABASE {name} WITH (FORCE)"))


async def spent(play: Play) -> dict[str, int]:
    async with play.database.begin() as session:
        await api_keys.count(session, ANNA)
        books = await ledger.audit(session)
        assert books.is_clean, books
        return dict(await session.fetch("SELECT name, spent_total FROM api_keys"))


async def test_what_keys_have_spent_is_kept_and_counted_on(play: Play) -> None:
    assert await spent(play) == {"free": 8, "capped": 4, "revoked": 0}
    async with play.database.begin() as session:
        await announce_served(session, ECHO)
    free = Principal(ANNA, key_id=FREE, token_hash=b"\x01", has_simple_key=True)
    capped = Principal(ANNA, key_id=CAPPED, token_hash=b"\x02")
    asked = [play.submission(by=one, cost=cost) for one, cost in ((free, 7), (capped, 6), (capped, 1))]
    decided = [one.decision for one in await play.submit(*asked)]
    assert decided == ["accepted", "accepted", "key_cap_exceeded"]
    assert await spent(play) == {"free": 15, "capped": 10, "revoked": 0}


async def test_what_was_held_before_is_given_back(play: Play) -> None:
    for prediction_id in (OPEN, OF_CAPPED):
        async with play.database.begin() as session:
            assert await canceling.cancel(session, ANNA, prediction_id) is not None
    assert await spent(play) == {"free": 5, "capped": 0, "revoked": 0}
