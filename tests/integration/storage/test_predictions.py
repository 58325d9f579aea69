"""Claiming and finishing: fences, attempts, refunds, and locks that do not deadlock."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from ml_service.domain.predictions import PredictionError, Status
from ml_service.storage import canceling, claiming, expiring, submissions, workers
from ml_service.storage.claiming import Claimed
from ml_service.storage.finishing import Finish
from tests.support.play import Play

ERROR = PredictionError("model_error", "The model raised.")
ECHO = {"model": "echo", "version": "1"}


def success(claimed: Claimed) -> Finish:
    return Finish(claimed.id, claimed.attempt, 1.0, '{"text": "answer"}')


def failure(claimed: Claimed) -> Finish:
    return Finish(claimed.id, claimed.attempt, 1.0, None, ERROR)


async def test_success_is_captured_and_failure_is_given_back(play: Play) -> None:
    await play.submit(play.submission(cost=3), play.submission(cost=5))
    good, bad = sorted(await play.claim(*play.ids), key=lambda one: play.ids.index(one.id))
    finished = await play.finish(success(good), failure(bad))
    assert {one.id: one.status for one in finished} == {good.id: Status.SUCCEEDED, bad.id: Status.FAILED}
    assert await play.balance() == (97, 0)


async def test_a_prediction_of_a_live_worker_is_claimed_by_no_other(play: Play) -> None:
    await beat(play, "worker-1")
    async with play.database.own_connection(play.url, "lock") as own:
        await workers.hold_lock(own, 1)
        await play.submit(play.submission())
        assert len(await play.claim(*play.ids)) == 1
        assert await play.claim(*play.ids, worker="worker-2") == []


async def test_a_redelivery_or_a_dead_worker_opens_a_claim_again_and_the_late_answer_is_dropped(play: Play) -> None:
    await play.submit(play.submission())
    [first] = await play.claim(*play.ids)
    [second] = await play.claim(*play.ids, worker="worker-2", redelivered=True)
    assert (first.attempt, second.attempt) == (1, 2)
    assert await play.finish(success(first)) == []
    assert len(await play.finish(success(second), worker="worker-2")) == 1
    assert await play.finish(success(second), worker="worker-2") == []
    assert await play.balance() == (99, 0)


async def test_a_claim_whose_answer_was_lost_is_repeated_by_the_same_worker_only(play: Play) -> None:
    await beat(play, "worker-1")
    async with play.database.own_connection(play.url, "lock") as own:
        await workers.hold_lock(own, 1)
        await play.submit(play.submission())
        await play.claim(*play.ids)  # committed, and the connection broke before the answer came
        async with play.database.autocommit() as session:
            nothing = await claiming.claim(
                session, "worker-2", play.ids, [False], **ECHO, attempts_max=5, is_retry=True
            )
            [again] = await claiming.claim(
                session, "worker-1", play.ids, [False], **ECHO, attempts_max=5, is_retry=True
            )
    assert (nothing, again.attempt) == ([], 2)


async def test_a_worker_without_its_lock_is_gone(play: Play) -> None:
    await beat(play, "worker-1")  # a lease, but nobody holds the lock
    await play.submit(play.submission())
    await play.claim(*play.ids)
    [again] = await play.claim(*play.ids, worker="worker-2")
    assert again.attempt == 2


async def test_after_the_last_attempt_a_prediction_fails_and_is_given_back(play: Play) -> None:
    await play.submit(play.submission())
    for _ in range(2):
        [claimed] = await play.claim(*play.ids, redelivered=True, attempts_max=2)
        assert claimed.status == Status.PROCESSING
    [claimed] = await play.claim(*play.ids, redelivered=True, attempts_max=2)
    assert claimed.status == Status.FAILED
    assert await play.balance() == (100, 0)


async def test_an_overdue_prediction_expires_at_the_claim_and_in_the_sweep(play: Play) -> None:
    await play.submit(
        play.submission(deadline_s=0.01), play.submission(deadline_s=0.01), play.submission(deadline_s=60)
    )
    await asyncio.sleep(0.05)
    [claimed] = await play.claim(play.ids[0])
    assert claimed.status == Status.EXPIRED
    async with play.database.begin() as session:
        assert [one.id for one in await expiring.expire(session, 10)] == [play.ids[1]]
    assert await play.balance() == (99, 1)


async def test_cancel_gives_back_at_once_and_the_answer_that_comes_later_falls(play: Play) -> None:
    await play.submit(play.submission())
    [claimed] = await play.claim(*play.ids)
    async with play.database.begin() as session:
        canceled = await canceling.cancel(session, play.user_id, claimed.id)
    assert canceled is not None
    assert canceled.status is Status.CANCELED
    assert await play.finish(success(claimed)) == []
    assert await play.balance() == (100, 0)


async def test_a_refund_waits_for_a_submission_of_the_same_user_and_both_count(play: Play) -> None:
    """The rows are locked by one transaction while the other has begun: both changes of the balance must survive."""
    await play.submit(*(play.submission() for _ in range(4)))
    [one] = await play.claim(play.ids[0])
    await play.claim(play.ids[2], attempts_max=5)
    submitted = asyncio.Event()

    async def submit_slowly() -> None:
        async with play.database.begin() as session:
            await submissions.submit(session, [play.submission()])
            submitted.set()
            await asyncio.sleep(0.3)

    async def cancel() -> None:
        async with play.database.autocommit() as session:
            await canceling.cancel(session, play.user_id, play.ids[1])

    slow = asyncio.create_task(submit_slowly())
    await submitted.wait()
    await asyncio.gather(play.finish(failure(one)), cancel(), play.claim(play.ids[2], redelivered=True, attempts_max=1))
    await slow
    assert await play.balance() == (98, 2)


async def test_workers_that_claim_and_finish_the_same_rows_in_any_order_do_not_deadlock(play: Play) -> None:
    await play.submit(play.submission(items=60, batch=True))

    async def work(worker: str, *, backwards: bool) -> None:
        ids = play.ids[::-1] if backwards else play.ids
        for _ in range(5):
            claimed = await play.claim(*ids, worker=worker, redelivered=True, attempts_max=1000)
            await play.finish(
                *(failure(one) if number % 2 else success(one) for number, one in enumerate(claimed)), worker=worker
            )

    await asyncio.gather(*(work(f"worker-{number}", backwards=bool(number % 2)) for number in range(6)))
    balance, held = await play.balance()
    assert held == 0
    assert 40 <= balance <= 100


async def test_the_schema_refuses_to_change_what_is_final(play: Play) -> None:
    await play.submit(play.submission())
    [claimed] = await play.claim(*play.ids)
    await play.finish(success(claimed))
    for statement in (
        "UPDATE predictions SET status = 'queued', finished_at = NULL, output = NULL",
        "UPDATE transactions SET amount = 0",
        "DELETE FROM transactions",
        "TRUNCATE transactions",
        "DELETE FROM users",
        "TRUNCATE users CASCADE",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            async with play.database.autocommit() as session:
                await session.execute(statement)


async def test_a_prediction_is_settled_once_whatever_the_code_does(play: Play) -> None:
    await play.submit(play.submission())
    for kind in ("capture", "release", "hold"):
        with pytest.raises(asyncpg.UniqueViolationError):
            async with play.database.begin() as session:
                for _ in range(2):
                    await session.execute(
                        "INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)"
                        " VALUES ($1, $2, 1, $3, 'system', 'test')",
                        play.user_id,
                        kind,
                        play.ids[0],
                    )


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("ml_service_app", "UPDATE transactions SET amount = 1"),
        ("ml_service_app", "DELETE FROM transactions"),
        ("ml_service_app", "DELETE FROM predictions"),
        ("ml_service_worker", "SELECT password_hash FROM users"),
        ("ml_service_worker", "SELECT * FROM sessions"),
        ("ml_service_worker", "UPDATE users SET is_admin = true"),
        ("ml_service_worker", "DELETE FROM transactions"),
    ],
)
async def test_a_services_role_may_not(play: Play, role: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with play.database.begin() as session:
            await session.execute(f"SET LOCAL ROLE {role}")
            await session.execute(statement)


async def beat(play: Play, worker_id: str) -> None:
    async with play.database.autocommit() as session:
        await workers.beat(
            session,
            worker_id,
            1,
            "host",
            1,
            pools=["default"],
            models=["echo@1"],
            model_states={},
            state="ready",
            lease_s=60,
        )
