"""What API keys may hold and pay: counted in the submit statement, given back by whatever ends a prediction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from ml_service.domain.credentials import CapPer, Principal, Scope, SpendCap, Spent, hash_of
from ml_service.domain.predictions import PredictionError
from ml_service.domain.submissions import Decision
from ml_service.storage import api_keys as stored_keys
from ml_service.storage import canceling, expiring, idempotency, model_versions
from ml_service.storage.database import Database, Session
from ml_service.storage.finishing import Finish
from ml_service.usecases import api_keys
from tests.support.play import Play

TEN = SpendCap(10, CapPer.DAY)
FAILED = PredictionError("model_error", "It failed.")


async def decided(play: Play, by: Principal, **options: object) -> str:
    [outcome] = await play.submit(play.submission(by=by, **options))  # type: ignore[arg-type]
    return outcome.decision


async def test_a_prediction_keeps_its_key_and_the_ledger_names_it(play: Play) -> None:
    key = await play.key()
    assert await decided(play, key, cost=7) == "accepted"
    async with play.database.autocommit() as session:
        assert await session.fetchval("SELECT key_id FROM predictions") == key.key_id
        rows = await session.fetch("SELECT actor_kind, actor_id FROM transactions WHERE kind = 'hold'")
        assert [tuple(row) for row in rows] == [("key", str(key.key_id))]
    assert await play.spent(key) == Spent(7, 7, 7)
    assert await play.balance() == (93, 7)


@pytest.mark.parametrize("per", CapPer)
async def test_a_cap_refuses_what_it_does_not_cover(play: Play, per: CapPer) -> None:
    key = await play.key(cap=SpendCap(10, per))
    outcomes = await play.submit(*(play.submission(by=key, cost=4) for _ in range(4)))
    assert [outcome.decision for outcome in outcomes] == ["accepted", "accepted"] + ["key_cap_exceeded"] * 2
    assert {outcome.cap_left for outcome in outcomes} == {2}
    assert await decided(play, key, items=3, batch=True) == "key_cap_exceeded"
    assert await decided(play, key, items=2, batch=True) == "accepted"
    assert await decided(play, key, cost=0) == "accepted"
    assert await play.spent(key) == Spent(10, 10, 10)


async def test_requests_by_keys_by_sessions_and_by_chat_share_a_commit(play: Play) -> None:
    capped, free, session = await play.key(cap=TEN), await play.key(), await play.principal()
    asked = [
        play.submission(by=capped, cost=8),
        play.submission(by=free, cost=20),
        play.submission(by=session, cost=3),
        play.submission(cost=2),
        play.submission(by=capped, cost=3),
        play.submission(by=capped, cost=2),
    ]
    outcomes = await play.submit(*asked)
    assert [outcome.decision for outcome in outcomes] == ["accepted"] * 4 + ["key_cap_exceeded"] * 2
    assert (await play.spent(capped)).day == 8
    assert (await play.spent(free)).day == 20
    assert await play.balance() == (67, 33)


async def test_a_key_is_for_its_scopes_and_models(play: Play) -> None:
    reader = await play.key(scopes=[Scope.READ])
    assert await decided(play, reader) == "scope_missing"
    narrow = await play.key(models=("echo",))
    assert await decided(play, narrow) == "accepted"
    assert await decided(play, narrow, model="other") == "model_not_allowed"
    assert await decided(play, narrow, model="other", items=2, batch=True) == "model_not_allowed"


async def test_a_key_that_has_ended_submits_nothing(play: Play) -> None:
    revoked, expired, somebodys = await play.key(), await play.key(), await play.key()
    other = Principal(UUID(int=7), key_id=somebodys.key_id, token_hash=somebodys.token_hash)
    async with play.database.autocommit() as session:
        await stored_keys.revoke(session, play.user_id, revoked.key_id)  # type: ignore[arg-type]
        await session.execute("UPDATE api_keys SET expires_at = now() WHERE id = $1", expired.key_id)
    for one in (revoked, expired, other):
        assert await decided(play, one) == "no_session"
    unknown = Principal(play.user_id, key_id=somebodys.key_id, token_hash=b"?" * 32)
    assert await decided(play, unknown) == "no_session"
    assert await play.balance() == (100, 0)


async def test_a_known_idempotency_key_is_answered_past_the_cap_but_not_past_the_end(play: Play) -> None:
    key = await play.key(cap=SpendCap(1, CapPer.TOTAL))
    asked = play.submission(by=key, key="k")
    assert [one.decision for one in await play.submit(asked)] == ["accepted"]
    assert [one.decision for one in await play.submit(asked)] == ["replayed"]
    async with play.database.autocommit() as session:
        assert await idempotency.find_replay(session, key, "k") is not None
        await session.execute("UPDATE api_keys SET scopes = '{read}'")
        assert await idempotency.find_replay(session, key, "k") is None
        assert [one.decision for one in await play.submit(asked)] == ["scope_missing"]
        await session.execute("UPDATE api_keys SET revoked_at = now()")
        assert [one.decision for one in await play.submit(asked)] == ["no_session"]


async def test_parallel_requests_never_hold_more_than_the_cap(play: Play) -> None:
    key = await play.key(cap=TEN)
    batches = [play.submission(by=key, items=2, batch=True) for _ in range(20)]
    asked = [play.submission(by=key) for _ in range(40)] + batches
    outcomes = [outcome for [outcome] in await asyncio.gather(*(play.submit(one) for one in asked))]
    held = sum(one.cost for one, outcome in zip(asked, outcomes, strict=True) if outcome.decision == "accepted")
    assert held == 10
    assert (await play.spent(key)).day == 10
    assert {outcome.decision for outcome in outcomes} == {Decision.ACCEPTED, Decision.KEY_CAP_EXCEEDED}


# Whatever releases gives back.


async def fail(play: Play, id_: UUID) -> None:
    [claimed] = await play.claim(id_)
    assert await play.finish(Finish(claimed.id, claimed.attempt, 1.0, None, FAILED))


async def succeed(play: Play, id_: UUID) -> None:
    [claimed] = await play.claim(id_)
    assert await play.finish(Finish(claimed.id, claimed.attempt, 1.0, '{"text": "0"}'))


async def cancel(play: Play, id_: UUID) -> None:
    async with play.database.begin() as session:
        assert await canceling.cancel(session, play.user_id, id_) is not None


async def expire(play: Play, id_: UUID) -> None:
    await overdue(play, id_)
    async with play.database.begin() as session:
        assert await expiring.expire(session, 10)


async def overdue(play: Play, id_: UUID) -> None:
    async with play.database.begin() as session:
        await session.execute("UPDATE predictions SET deadline_at = now() WHERE id = $1", id_)


async def claim_too_late(play: Play, id_: UUID) -> None:
    await overdue(play, id_)
    assert [one.status for one in await play.claim(id_)] == ["expired"]


async def claim_too_often(play: Play, id_: UUID) -> None:
    assert [one.status for one in await play.claim(id_, attempts_max=0)] == ["failed"]


async def lose_the_version(play: Play, id_: UUID) -> None:
    async with play.database.begin() as session:
        assert [one.id for one in await model_versions.end_gone(session, gone_s=0, limit=10)] == [id_]


@pytest.mark.parametrize("end", [fail, cancel, expire, claim_too_late, claim_too_often, lose_the_version])
async def test_what_ends_a_prediction_without_an_answer_gives_back_what_its_key_spent(play: Play, end: object) -> None:
    key = await play.key(cap=TEN)
    await decided(play, key, cost=10)
    assert await decided(play, key) == "key_cap_exceeded"
    await end(play, play.ids[0])  # type: ignore[operator]
    assert await play.spent(key) == Spent()
    assert await decided(play, key, cost=10) == "accepted"


async def test_an_answer_keeps_what_its_key_spent(play: Play) -> None:
    key = await play.key(cap=TEN)
    await decided(play, key, cost=10)
    await succeed(play, play.ids[0])
    assert await play.spent(key) == Spent(10, 10, 10)
    assert await decided(play, key) == "key_cap_exceeded"


async def test_workers_and_the_bot_read_no_key(play: Play) -> None:
    await play.key()
    for role in ("ml_service_worker", "ml_service_bot"):
        database = await Database.connect(play.url.replace("postgres@", f"{role}@"), name="test", timeout_s=10)
        async with database.autocommit() as session:
            for columns in ("prefix", "name", "scopes"):
                with pytest.raises(Exception, match="permission denied"):
                    await session.fetch(f"SELECT {columns} FROM api_keys")
            with pytest.raises(Exception, match="permission denied"):
                await session.fetch("SELECT token_hash FROM api_key_tokens")
        await database.close()


async def test_a_worker_gives_back_as_its_own_role(play: Play) -> None:
    key = await play.key()
    await decided(play, key, cost=4)
    database = await Database.connect(play.url.replace("postgres@", "ml_service_worker@"), name="test", timeout_s=10)
    await fail(Play(database, play.user_id), play.ids[0])
    await database.close()
    assert await play.spent(key) == Spent()


# Windows, on a clock that the test moves.

_CLOCK = """
    CREATE TABLE clock (shift interval NOT NULL);
    INSERT INTO clock VALUES ('0');
    CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER AS $$
        SELECT pg_catalog.now() + (SELECT shift FROM public.clock)
    $$;
    ALTER TABLE predictions ALTER COLUMN created_at SET DEFAULT public.now();
    ALTER TABLE transactions ALTER COLUMN created_at SET DEFAULT public.now();
    DO $do$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
    END $do$;
"""


@pytest.fixture
async def moving(play: Play) -> AsyncIterator[Play]:
    """On a database whose clock can be set."""
    async with play.database.autocommit() as session:
        await session.execute(_CLOCK)
    database = await Database.connect(play.url, name="test", timeout_s=10)
    yield Play(database, play.user_id, play.url)
    await database.close()


async def set_clock(session: Session, moment: str) -> None:
    await session.execute(f"UPDATE clock SET shift = timestamptz '{moment}' - pg_catalog.now()")


async def at(play: Play, moment: str) -> None:
    async with play.database.autocommit() as session:
        await set_clock(session, moment)


async def test_a_release_counts_for_the_window_in_which_the_credits_were_held(moving: Play) -> None:
    play = moving
    key = await play.key(cap=TEN)
    await at(play, "2027-01-30 12:00Z")
    await decided(play, key, cost=10)
    await at(play, "2027-01-31 12:00Z")
    assert await play.spent(key) == Spent(0, 10, 10)
    assert await decided(play, key, cost=10) == "accepted"
    await at(play, "2027-02-01 00:00Z")
    assert await play.spent(key) == Spent(0, 0, 20)
    assert await decided(play, key, cost=6) == "accepted"
    assert await play.spent(key) == Spent(6, 6, 26)
    await cancel(play, play.ids[0])
    assert await play.spent(key) == Spent(6, 6, 16)
    await cancel(play, play.ids[1])
    assert await play.spent(key) == Spent(6, 6, 6)
    await cancel(play, play.ids[2])
    assert await play.spent(key) == Spent()
    assert (await play.books()).is_clean


async def test_the_edge_of_a_day_lets_nobody_hold_more_than_the_cap_of_each_day(moving: Play) -> None:
    play = moving
    key = await play.key(cap=TEN)
    await at(play, "2027-01-30 23:59:59Z")
    decisions: Counter[str] = Counter()

    async def ask() -> None:
        for _ in range(20):
            decisions[await decided(play, key)] += 1

    async def pass_midnight() -> None:
        await asyncio.sleep(0.05)
        await at(play, "2027-01-31 00:00:00Z")

    await asyncio.gather(*(ask() for _ in range(6)), pass_midnight())
    async with play.database.autocommit() as session:
        rows = await session.fetch(
            "SELECT (created_at AT TIME ZONE 'UTC')::date::text AS day, sum(amount)::int AS held FROM transactions"
            " WHERE kind = 'hold' GROUP BY day ORDER BY day"
        )
    held = {row["day"]: row["held"] for row in rows}
    assert held["2027-01-31"] == 10
    assert held["2027-01-30"] <= 10
    assert decisions["accepted"] == sum(held.values())
    assert set(decisions) <= {"accepted", "key_cap_exceeded", "late"}
    assert (await play.books()).is_clean


async def test_what_is_counted_later_counts_for_its_day(moving: Play) -> None:
    play = moving
    key = replace(await play.key(), has_simple_key=True)
    for moment, expected in (
        ("2027-01-31 12:00Z", Spent(1, 1, 1)),
        ("2027-01-30 12:00Z", Spent(1, 2, 2)),
        ("2027-02-01 00:00Z", Spent(1, 1, 3)),
        ("2027-01-31 23:59Z", Spent(1, 1, 4)),
    ):
        await at(play, moment)
        assert await decided(play, key) == "accepted"
        assert (await play.books()).is_clean
        async with play.database.autocommit() as session:
            await stored_keys.count(session, play.user_id)
            row = await session.fetchrow("SELECT spent_day, spent_month, spent_total FROM api_keys")
        assert Spent(*row) == expected
        assert (await play.books()).is_clean
    for place in range(4):
        await cancel(play, play.ids[place])
        assert (await play.books()).is_clean
    assert await play.spent(key) == Spent()


MOMENTS = ("2027-01-31 12:00Z", "2027-02-01 00:00Z", "2027-01-30 12:00Z", "2027-02-02 12:00Z", "2027-02-01 23:59Z")


@pytest.mark.parametrize("rows_max", [1, None])
@pytest.mark.parametrize("canceled", [(0, 1), (1, 0), (2, 3), (3, 4), (4, 2)])
async def test_days_may_be_counted_together_and_after_what_is_given_back(
    moving: Play, canceled: tuple[int, int], rows_max: int | None
) -> None:
    play = moving
    key = replace(await play.key(), has_simple_key=True)
    for cost, moment in enumerate(MOMENTS):
        await at(play, moment)
        assert await decided(play, key, cost=cost + 1) == "accepted"
    await at(play, "2027-02-02 13:00Z")
    for place in canceled:
        await cancel(play, play.ids[place])
        assert (await play.books()).is_clean
        async with play.database.autocommit() as session:
            await stored_keys.count(session, play.user_id, rows_max)
        assert (await play.books()).is_clean
    left = [0 if place in canceled else place + 1 for place in range(5)]
    assert await play.spent(key) == Spent(left[3], left[1] + left[3] + left[4], sum(left))
    assert (await play.books()).is_clean


async def test_a_request_of_the_day_before_is_submitted_again(moving: Play) -> None:
    play = moving
    key = await play.key(cap=TEN)
    await at(play, "2027-01-31 00:00:00Z")
    await decided(play, key)
    await at(play, "2027-01-30 23:59:59Z")
    assert await decided(play, key) == "late"
    assert (await play.books()).is_clean


# Rotation.


async def test_rotating_keeps_id_and_spend_and_a_repetition_takes_nothing(play: Play) -> None:
    key = await play.key(cap=TEN)
    await decided(play, key, cost=4)
    tokens = [key.token_hash]
    for _ in range(3):
        async with play.database.begin() as session:
            made = await api_keys.rotate(session, play.user_id, key.key_id, grace_s=60)  # type: ignore[arg-type]
        assert made.key.id == key.key_id
        tokens.append(hash_of(made.token))
    for token_hash in tokens:
        one = Principal(play.user_id, key_id=key.key_id, token_hash=token_hash)
        assert await decided(play, one) == "accepted"
    assert (await play.spent(key)).day == 8
    async with play.database.begin() as session:
        made = await api_keys.rotate(session, play.user_id, key.key_id, grace_s=0)  # type: ignore[arg-type]
    assert await decided(play, Principal(play.user_id, key_id=key.key_id, token_hash=tokens[-1])) == "no_session"
    assert await decided(play, Principal(play.user_id, key_id=key.key_id, token_hash=tokens[0])) == "accepted"
