"""The checker turns red when a mechanism is off: so that the tests that stay green with it on prove something.

A mechanism that has another one behind it is shown with both: alone it is not missed, and that is meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import asyncpg
import pytest

from engine.native.rabbitmq import RabbitNode
from ml_service.background.relay import Relay
from ml_service.domain.predictions import PredictionError
from ml_service.domain.submissions import Decision
from ml_service.messaging.connect import connect_queue
from ml_service.storage import finishing, submissions
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.usecases import group_commit, users
from tests.faults.test_worker_faults import NAPS, busy_worker, napping
from tests.support.broker import Broker
from tests.support.checker import broken_rows, connected, violations
from tests.support.load import Load
from tests.support.locks import until_one_waits
from tests.support.mutations import replaced
from tests.support.nodes import execute
from tests.support.play import Play
from tests.support.rig import Setup, running_rig, started
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)

RED_S = 8.0
"""How long the checker waits for a drain that does not come."""


async def asked(load: Load, number: int = 10) -> None:
    """Register, and have so many requests accepted."""
    await load.register()
    assert all([await load.ask(load.new_request()) for _ in range(number)])


# Relay, queue and sweeper, in whole processes.


@pytest.mark.parametrize(
    ("off", "red"),
    [(["nothing is sent at once"], False), (["nothing is sent at once", "nothing is swept"], True)],
)
async def test_without_the_sweeper_unsent_predictions_never_end(noted_url: str, off: list[str], red: bool) -> None:
    faults = [f"mutation={one}" for one in off]
    setup = Setup(apps=1, workers=1, faults={"app-1": faults}, env={"RESEND_AFTER_S": "0.5"})
    async with running_rig(noted_url, None, setup) as rig:
        load = Load(rig.urls)
        await asked(load)
        found = await violations(rig, load, drain_s=RED_S if red else 60)
        assert any(one.startswith("4 not drained") for one in found) is red, found
        assert (found != []) is red
        await load.close()


async def test_without_the_delete_the_outbox_never_empties(noted_url: str) -> None:
    setup = Setup(apps=1, workers=1, faults={"app-1": ["mutation=nothing is marked"]})
    async with running_rig(noted_url, None, setup) as rig:
        load = Load(rig.urls)
        await asked(load)
        found = await violations(rig, load, drain_s=RED_S)
        assert any(one.startswith("9 unsent") for one in found), found
        assert not any(one.startswith("4 unfinished") for one in found), found
        await load.close()


@pytest.mark.parametrize("off", [[], ["mutation=no confirm is waited for"]], ids=["confirms", "no confirms"])
async def test_without_confirms_a_broker_crash_loses_messages(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode, off: list[str]
) -> None:
    setup = Setup(apps=1, workers=1, faults={"app-1": off}, env={"LOST_AFTER_S": "10000", "RESEND_AFTER_S": "1"})
    async with running_rig(noted_url, amqp_url, setup) as rig:
        load = Load(rig.urls)
        await asked(load, 2)
        await asyncio.sleep(2)
        rabbit_node.freeze()
        await asked(load)
        await asyncio.sleep(1)  # sent, as far as a socket can tell
        rabbit_node.kill()
        await started(rabbit_node)
        found = await violations(rig, load, drain_s=15 if off else 60)
        assert any(one.startswith("4 unfinished") for one in found) is bool(off), found
        await load.close()


@pytest.mark.parametrize("off", [[], ["mutation=a new queue is no news"]], ids=["news", "no news"])
async def test_without_noticing_a_recreated_queue_its_messages_are_lost(noted_url: str, off: list[str]) -> None:
    setup = Setup(apps=1, workers=1, faults={"app-1": off}, env={"LOST_AFTER_S": "10000"})
    async with running_rig(noted_url, None, setup) as rig:
        load = Load(rig.urls)
        await asked(load, 2)
        await asyncio.sleep(2)
        rig.workers[0].freeze()
        await asked(load)
        await asyncio.sleep(1)
        await Broker("postgres", noted_url, None).lose_queue()  # type: ignore[arg-type]
        rig.workers[0].thaw()
        found = await violations(rig, load, drain_s=RED_S if off else 60)
        assert any(one.startswith("4 unfinished") for one in found) is bool(off), found
        await load.close()


async def test_without_the_check_for_gone_workers_their_work_waits_for_redelivery(noted_url: str) -> None:
    env = {"WORKER_LEASE_S": "3", "WORKER_HEARTBEAT_S": "1"}
    faults = {"app-1": ["mutation=gone workers are not missed"]}
    async with running_rig(noted_url, None, Setup(apps=1, models=NAPS, env=env, faults=faults)) as rig:
        load = Load(rig.urls)
        await load.register()
        await napping(load)
        rig.workers[await busy_worker(rig)].freeze()
        found = await violations(rig, load, drain_s=20)  # the queue's own lease is 30 s
        assert any(one.startswith("4 unfinished") for one in found), found
        await load.close()


@pytest.mark.parametrize("off", [[], ["mutation=a redelivery claims nothing"]], ids=["claims", "claims not"])
async def test_without_claims_of_redeliveries_a_dropped_prediction_is_stuck(noted_url: str, off: list[str]) -> None:
    bug = "services.ml_worker.lane.Lane._predict@before=raise?{folder}/bug"
    setup = Setup(apps=1, workers=1, faults={"worker-1": [bug, *off]}, env={"LOST_AFTER_S": "10000"})
    async with running_rig(noted_url, None, setup) as rig:
        file = rig.arm("bug")
        load = Load(rig.urls)
        await asked(load)
        await until(lambda: not file.exists())
        found = await violations(rig, load, drain_s=RED_S if off else 60)
        assert any(one.startswith("4 unfinished") for one in found) is bool(off), found
        await load.close()


async def test_without_isolation_a_poison_input_fails_its_neighbours(noted_url: str) -> None:
    faults = {"worker-1": ["mutation=a batch fails as a whole"]}
    async with running_rig(noted_url, None, Setup(apps=1, workers=1, models=NAPS, faults=faults)) as rig:
        load = Load(rig.urls)
        await load.register()
        request = load.new_request(model="troublesome", items=16)
        request.items[7]["input"]["text"] = "!segfault"
        assert await load.ask(request)
        assert await violations(rig, load) == []  # the books are right all the same
        async with connected(noted_url) as connection:
            assert await connection.fetchval("SELECT count(*) FROM predictions WHERE status = 'failed'") == 16
        await load.close()


# Statements and the schema behind them, played on a database.


@pytest.fixture
async def play(noted_url: str) -> AsyncIterator[Play]:
    """A user with 10 credits, on books that may be wrong at the end."""
    database = await Database.connect(noted_url, name="test", timeout_s=10)
    async with database.begin() as session:
        user = await users.register(session, "anna", None, starting_credits=10)
    yield Play(database, user.id, noted_url)
    await database.close()


Mutate = Callable[[object, str, str, str], None]


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mutate]:
    """Change a piece of a statement for this test."""

    def change(module: object, name: str, old: str, new: str) -> None:
        monkeypatch.setattr(module, name, replaced(getattr(module, name), old, new))
        submissions._statement.cache_clear()

    yield change
    monkeypatch.undo()
    submissions._statement.cache_clear()


async def broken(play: Play) -> list[str]:
    """What the checker finds besides unfinished work, by the invariants' numbers."""
    found = await broken_rows(play.url)
    return sorted({one[0] for one in found if not one.startswith(("4 unfinished", "9 unsent"))})


async def race(play: Play, *, key: str | None = None) -> list[Decision]:
    """Two requests for 6 of 10 credits, the second while the first one has not committed yet."""
    first = play.submission(items=6, batch=True, key=key, fingerprint=b"same")
    second = play.submission(items=6, batch=True, key=key, fingerprint=b"same")

    queue = await connect_queue("postgres", database_url=play.url)
    commits = group_commit.GroupCommit(play.database, Relay(play.database, queue, lambda *_: 32).send)
    try:
        async with play.database.begin() as session:
            outcome = (await submissions.submit(session, [first]))[0]
            asking = asyncio.create_task(commits.submit(second))
            await until_one_waits(play.url)
        return [outcome.decision, (await asking).decision]
    finally:
        await queue.close()


UNLOCKED = (submissions, "_PAYERS", " FOR NO KEY UPDATE", "")


async def test_with_the_lock_on_payers_the_second_request_is_refused(play: Play) -> None:
    assert await race(play) == [Decision.ACCEPTED, Decision.INSUFFICIENT_CREDITS]
    assert await broken(play) == []


async def test_without_the_lock_on_payers_an_unpaid_request_is_accepted(play: Play, mutate: Mutate) -> None:
    mutate(*UNLOCKED)
    assert await race(play) == [Decision.ACCEPTED, Decision.ACCEPTED]
    assert len(await play.stored()) == 6  # twelve were promised


async def test_without_the_conditional_debit_the_schema_still_refuses(play: Play, mutate: Mutate) -> None:
    mutate(*UNLOCKED)
    mutate(submissions, "_ACCEPTED", " AND users.balance >= d.amount", "")
    with pytest.raises(asyncpg.CheckViolationError):
        await race(play)
    assert await broken(play) == []


async def test_without_the_conditional_debit_and_the_schema_a_balance_is_negative(play: Play, mutate: Mutate) -> None:
    mutate(*UNLOCKED)
    mutate(submissions, "_ACCEPTED", " AND users.balance >= d.amount", "")
    await execute(play.url, "ALTER TABLE users DROP CONSTRAINT users_balance_not_negative")
    assert await race(play) == [Decision.ACCEPTED, Decision.ACCEPTED]
    assert await broken(play) == ["1"]


FORGETFUL = (
    submissions,
    "_REQUESTS_BY_CHAT",
    "LEFT JOIN idempotency_keys AS k ON k.user_id = r.user_id AND k.key = r.key",
    "LEFT JOIN idempotency_keys AS k ON false",
)


async def test_one_key_makes_one_batch(play: Play) -> None:
    assert await race(play, key="k") == [Decision.ACCEPTED, Decision.REPLAYED]
    assert await broken(play) == []


async def test_without_the_retry_a_twin_is_refused_for_lack_of_credits(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_REFUSED", ())
    assert await race(play, key="k") == [Decision.ACCEPTED, Decision.INSUFFICIENT_CREDITS]
    assert await broken(play) == []


async def test_without_the_key_lookup_the_unique_key_still_refuses(play: Play, mutate: Mutate) -> None:
    mutate(*FORGETFUL)
    await execute(play.url, "ALTER TABLE users DISABLE TRIGGER ALL", "UPDATE users SET balance = 100")
    assert await race(play, key="k") == [Decision.ACCEPTED, Decision.TWIN]
    assert len(await play.stored()) == 6


async def test_without_the_unique_key_one_key_makes_two_batches(play: Play, mutate: Mutate) -> None:
    mutate(*FORGETFUL)
    await execute(
        play.url,
        "ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey",
        "INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)"
        " SELECT id, 'top_up', 10, 'system', 'test' FROM users",
        "UPDATE users SET balance = balance + 10",
    )
    assert await race(play, key="k") == [Decision.ACCEPTED, Decision.ACCEPTED]
    assert await broken(play) == ["6"]


OUTPUT = '{"text": "0"}'
CRASHED = PredictionError("model_crashed", "It crashed.")


async def late_answer(play: Play, worker: str, again: str) -> bool:
    """Whether an answer counts that comes after ``again`` has claimed what ``worker`` had."""
    await play.submit(play.submission())
    (first,) = await play.claim(play.ids[0], worker=worker)
    (second,) = await play.claim(play.ids[0], worker=again, redelivered=True)
    late = await play.finish(Finish(first.id, first.attempt, 1.0, None, CRASHED), worker=worker)
    await play.finish(Finish(second.id, second.attempt, 1.0, OUTPUT), worker=again)
    return bool(late)


@pytest.mark.parametrize("again", ["worker-1", "worker-2"])
async def test_with_the_fence_a_late_answer_is_dropped(play: Play, again: str) -> None:
    assert await late_answer(play, "worker-1", again) is False
    assert await broken(play) == []


@pytest.mark.parametrize(
    ("again", "off"),
    [("worker-1", " AND p.attempts = a.attempt"), ("worker-2", " AND p.attempts = a.attempt")],
)
async def test_without_the_fences_a_late_answer_ends_another_workers_prediction(
    play: Play, mutate: Mutate, again: str, off: str
) -> None:
    mutate(finishing, "_SOME_FAILED", off, "")
    if again != "worker-1":
        assert await late_answer(play, "worker-1", again) is False  # the worker's fence is behind the attempt's
        play.ids.clear()
        mutate(finishing, "_SOME_FAILED", " AND p.worker_id = $1", " AND $1::text IS NOT NULL")
    assert await late_answer(play, "worker-1", again) is True


async def end_twice(play: Play) -> None:
    """A stale failure after a success."""
    await play.submit(play.submission())
    (claimed,) = await play.claim(play.ids[0])
    for finish in (
        Finish(claimed.id, claimed.attempt, 1.0, OUTPUT),
        Finish(claimed.id, claimed.attempt, 1.0, None, CRASHED),
    ):
        await play.finish(finish)


async def test_the_first_end_wins(play: Play) -> None:
    await end_twice(play)
    assert await broken(play) == []


UNGUARDED = (finishing, "_SOME_FAILED", "p.status = 'processing'", "true")


async def test_without_the_state_guard_the_trigger_refuses_a_second_end(play: Play, mutate: Mutate) -> None:
    mutate(*UNGUARDED)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="final"):
        await end_twice(play)
    assert await broken(play) == []


async def test_without_the_trigger_too_a_second_capture_cannot_be_booked(play: Play, mutate: Mutate) -> None:
    mutate(*UNGUARDED)
    await execute(play.url, "DROP TRIGGER predictions_terminal_never_changes ON predictions")
    await play.submit(play.submission(), play.submission())
    good, other = await play.claim(*play.ids)
    await play.finish(Finish(good.id, good.attempt, 1.0, OUTPUT))
    failed = Finish(other.id, other.attempt, 1.0, None, CRASHED)  # the statement for batches with failures
    with pytest.raises(asyncpg.UniqueViolationError, match="transactions_of_prediction"):
        await play.finish(Finish(good.id, good.attempt, 1.0, OUTPUT), failed)
    assert await broken(play) == []


async def test_without_both_a_prediction_ends_twice_and_the_checker_finds_it(play: Play, mutate: Mutate) -> None:
    mutate(*UNGUARDED)
    await execute(play.url, "DROP TRIGGER predictions_terminal_never_changes ON predictions")
    await end_twice(play)
    assert {"4", "5"} <= set(await broken(play))
