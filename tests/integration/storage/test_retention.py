"""Partitions and retention: what is dropped and erased, what stays, and that neither stands in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest

from ml_service.background.retention import Retention
from ml_service.background.usage_sums import UsageSums
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import PredictionError, Status
from ml_service.storage import canceling, claiming, finishing, history, predictions, retention, submissions
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.storage.history import HistoryFilter
from ml_service.usecases import usage
from tests.support.nodes import execute
from tests.support.play import Play

DAY = timedelta(days=1)
# The first partition ends in the past, as if the service had run for long.
AGED = """
    DO $$
    DECLARE
        past uuid := first_id_of(now() - interval '10 days');
        ahead uuid := (SELECT from_id FROM prediction_partitions WHERE name LIKE 'predictions_from_%');
    BEGIN
        ALTER TABLE predictions DETACH PARTITION predictions_first;
        EXECUTE format('ALTER TABLE predictions ATTACH PARTITION predictions_first'
            ' FOR VALUES FROM (MINVALUE) TO (%L)', past);
        EXECUTE format('CREATE TABLE predictions_today PARTITION OF predictions FOR VALUES FROM (%L) TO (%L)',
            past, ahead);
    END
    $$
"""


def id_of(age: timedelta) -> UUID:
    """An id as it was made that long ago."""
    ms = int((datetime.now(UTC) - age).timestamp() * 1000)
    return UUID(int=(ms << 80) | (new_id().int & ((1 << 80) - 1)))


@dataclass
class Old:
    """A player whose predictions can be old, and retention as the app runs it."""

    play: Play
    app: Database

    async def submit(self, age: timedelta) -> UUID:
        submission = self.play.submission(id=id_of(age))
        await self.play.submit(submission)
        return self.play.ids[-1]

    async def end(self, one: UUID, *, error: PredictionError | None = None) -> None:
        [claimed] = await self.play.claim(one)
        await self.play.finish(Finish(one, claimed.attempt, 1.0, None if error else '{"text": "said"}', error))
        await UsageSums(self.app).sum()  # what has not been summed is not dropped

    def retention(self, *, days: int | None = None, text_days: int | None = None) -> Retention:
        return Retention(self.app, days=days, text_days=text_days)

    async def stored(self, one: UUID) -> predictions.Prediction | None:
        async with self.app.autocommit() as session:
            return (await predictions.get_many(session, [one])).get(one)


@pytest.fixture
async def old(play: Play) -> AsyncIterator[Old]:
    await execute(play.url, AGED)
    app = await Database.connect(play.url.replace("postgres@", "ml_service_app@"), name="app", timeout_s=20)
    yield Old(play, app)
    await app.close()


async def test_old_partitions_are_dropped_and_the_books_stay_right(old: Old) -> None:
    gone, young = await old.submit(20 * DAY), await old.submit(5 * DAY)
    for one in (gone, young):
        await old.end(one)
    done = await old.retention(days=9).retain()
    assert done.dropped == ("predictions_first",)
    assert await old.stored(gone) is None
    assert await old.stored(young) is not None
    async with old.app.autocommit() as session:
        page = await history.history(session, old.play.user_id, HistoryFilter(), before=None, limit=10)
        assert [one.id for one in page.items] == [young]
        assert await session.fetchval("SELECT count(*) FROM transactions WHERE prediction_id = $1", gone) == 2
    assert await old.play.balance() == (98, 0)
    assert (await old.play.books()).is_clean
    assert (await old.retention(days=9).retain()).dropped == ()


async def test_a_partition_with_an_unfinished_prediction_stays(old: Old) -> None:
    one = await old.submit(20 * DAY)
    assert (await old.retention(days=9).retain()).dropped == ()
    await old.end(one)
    assert (await old.retention(days=9).retain()).dropped == ("predictions_first",)


async def test_usage_outlives_the_rows_which_stay_until_they_are_summed(old: Old) -> None:
    late, one = await old.submit(20 * DAY), await old.submit(20 * DAY)
    [claimed] = await old.play.claim(one)
    await old.play.finish(Finish(one, claimed.attempt, 1.0, "{}"))
    assert (await old.retention(days=9).retain()).dropped == ()  # nothing is summed
    await UsageSums(old.app).sum()
    async with old.app.begin() as session:
        await canceling.cancel(session, old.play.user_id, late)
    assert (await old.retention(days=9).retain()).dropped == ()  # one was passed, and has ended since

    async def used() -> list[tuple[int, int, int]]:
        async with old.app.begin() as session:
            found = await usage.usage_of(session, old.play.user_id, "day", None, None)
        return [(one.predictions, one.succeeded, one.credits) for one in found]

    assert await used() == [(2, 1, 1)]
    await UsageSums(old.app).sum()
    assert (await old.retention(days=9).retain()).dropped == ("predictions_first",)
    assert await old.stored(one) is None
    assert await used() == [(2, 1, 1)]


async def test_without_retention_nothing_is_dropped_or_erased(old: Old) -> None:
    one = await old.submit(20 * DAY)
    await old.end(one)
    done = await old.retention().retain()
    assert (done.dropped, done.erased) == ((), 0)
    assert await old.stored(one) is not None


async def test_a_replayed_key_does_not_outlive_its_prediction(old: Old) -> None:
    await old.play.submit(old.play.submission(id=id_of(20 * DAY), key="k", fingerprint=b"x"))
    await old.end(old.play.ids[-1])
    await execute(old.play.url, "UPDATE idempotency_keys SET created_at = now() - interval '20 days'")
    await old.retention(days=9).retain()
    async with old.app.autocommit() as session:
        assert await session.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_ids_of_a_clock_that_is_ahead_are_kept_and_move_to_their_partition(old: Old) -> None:
    one = await old.submit(-300 * DAY)
    await old.end(one)

    async def partition() -> str:
        async with old.app.autocommit() as session:
            return str(await session.fetchval("SELECT tableoid::regclass FROM predictions WHERE id = $1", one))

    assert await partition() == "predictions_default"
    async with old.app.begin() as session:
        made = await retention.make_partition(session, 400 * DAY)
    async with old.app.begin() as session:
        await retention.attach_partition(session, 400 * DAY)
    assert await partition() == made
    assert await old.stored(one) is not None


async def test_partitions_are_made_ahead_once_and_after_a_crash_again(old: Old) -> None:
    async with old.app.begin() as session:
        assert await retention.make_partition(session, 30 * DAY) is None  # they reach so far already
        crashed = await retention.make_partition(session, 200 * DAY)
    assert crashed is not None  # and the process died
    async with old.app.begin() as session:
        assert await retention.make_partition(session, 200 * DAY) == crashed
    async with old.app.begin() as session:
        await retention.attach_partition(session, 200 * DAY)
    async with old.app.autocommit() as session:
        found = await retention.partitions(session)
    assert [one.until is None for one in found] == [False] * (len(found) - 1) + [True]
    for one, following in pairwise(found[:-1]):
        assert one.until == following.since
    assert found[-2].name == crashed


async def test_texts_of_what_has_ended_are_erased_and_nothing_else_changes(old: Old) -> None:
    good, bad, open_, young = [await old.submit(age * DAY) for age in (8, 7, 6, 1)]
    for one in (good, young):
        await old.end(one)
    await old.end(bad, error=PredictionError("model_error", "It said: secret"))
    before = [await old.stored(one) for one in (good, bad)]
    done = await old.retention(text_days=3).retain()
    assert done.erased == 3
    for earlier, one in zip(before, (good, bad), strict=True):
        now = await old.stored(one)
        assert now is not None
        assert earlier is not None
        assert now.input == "null"
        assert now.output == (None if earlier.output is None else "null")
        assert (now.error is None) == (earlier.error is None)
        assert now.error is None or (now.error.code, "secret" in now.error.message) == ("model_error", False)
        assert (now.status, now.cost, now.finished_at) == (earlier.status, earlier.cost, earlier.finished_at)
    for one in (open_, young):
        kept = await old.stored(one)
        assert kept is not None
        assert kept.input != "null"
    async with old.play.database.begin() as session:
        await canceling.cancel(session, old.play.user_id, open_)
    await old.retention(text_days=3).retain()
    ended = await old.stored(open_)
    assert ended is not None
    assert (ended.status, ended.input) == (Status.CANCELED, "null")


async def test_large_texts_are_erased_in_smaller_pieces(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BYTES_TOGETHER", 1)
    ended = [await old.submit(age * DAY) for age in (9, 8, 7)]
    late = [await old.submit(age * DAY) for age in (6, 5)]
    for one in ended:
        await old.end(one)

    async def erased() -> list[bool]:
        found = [await old.stored(one) for one in [*ended, *late]]
        return [one is not None and one.input == "null" for one in found]

    async with old.app.autocommit() as session:
        assert await retention.erase_texts(session, 3 * DAY, 1000) == 1
    assert await erased() == [True, False, False, False, False]
    await old.retention(text_days=3).retain()
    assert await erased() == [True, True, True, False, False]
    for one in late:
        await old.end(one)
    async with old.app.autocommit() as session:
        assert await retention.erase_passed_texts(session, 1000) == 1
    assert await erased() == [True, True, True, True, False]
    await old.retention(text_days=3).retain()
    assert await erased() == [True] * 5


@pytest.mark.parametrize(
    "change",
    [
        'input = \'{"text": "other"}\'',
        'output = \'{"text": "other"}\'',
        "input = 'null', output = 'null', cost = 0",
        "input = 'null', output = 'null', status = 'failed', error_code = 'x'",
        "input = 'null', output = 'null', finished_at = finished_at + interval '1 second'",
    ],
)
async def test_the_schema_lets_retention_erase_texts_and_change_nothing(old: Old, change: str) -> None:
    await old.end(await old.submit(DAY))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await execute(old.play.url, f"UPDATE predictions SET {change}")


async def test_the_app_drops_nothing_of_the_last_day_and_no_table_itself(old: Old) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with old.app.begin() as session:
            await session.fetch("SELECT detach_prediction_partitions(now() - interval '23 hours')")
    for statement in ("DROP TABLE predictions_first", "DELETE FROM predictions", "TRUNCATE predictions_default"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with old.app.begin() as session:
                await session.execute(statement)


async def test_requests_go_on_while_partitions_come_and_go(old: Old) -> None:
    """Locks are taken in an order that no statement of a request crosses: nobody is refused for a deadlock."""
    stop = asyncio.Event()
    await UsageSums(old.app).sum()

    async def work() -> int:
        player, count = Play(old.play.database, old.play.user_id), 0
        while not stop.is_set() and count < 12:
            await player.submit(player.submission(cost=0))
            [claimed] = await player.claim(player.ids[-1])
            assert await player.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))
            count += 1
        return count

    working = [asyncio.create_task(work()) for _ in range(4)]
    made = []
    for months in range(4, 10):
        width = months * 30 * DAY
        async with old.app.begin() as session:
            made.append(await retention.make_partition(session, width))
        async with old.app.begin() as session:
            await retention.attach_partition(session, width)
        async with old.app.begin() as session:
            await retention.detach_partitions(session, 9 * DAY)
        async with old.app.begin() as session:
            await retention.drop_detached(session)
    stop.set()
    assert sum(await asyncio.gather(*working)) > 0
    assert any(made)
    async with old.app.autocommit() as session:
        assert await session.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE '%predictions_first'") == 0


async def test_accepting_and_answering_search_no_partition_of_later_times(play: Play) -> None:
    later = "SELECT relname, idx_scan FROM pg_stat_xact_user_tables WHERE relname ~ '^predictions_(default|from)'"
    submission = play.submission()
    async with play.database.begin() as session:
        await submissions.submit(session, [submission])
        [claimed] = await claiming.claim(
            session, "worker-1", [submission.items[0].id], [False], model="echo", version="1", attempts_max=5
        )
        assert await finishing.finish(session, "worker-1", [Finish(claimed.id, claimed.attempt, 1.0, "{}")])
        assert [tuple(row) for row in await session.fetch(later) if row["idx_scan"]] == []
