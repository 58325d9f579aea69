"""A prediction that a model wants to see later is queued again, within its time, and no attempt is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ml_service.storage import postponing
from ml_service.storage.claiming import Claimed
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.storage.postponing import Postponement
from tests.support.play import Play
from tests.support.rig import role_url


async def postpone(play: Play, claimed: Claimed, after_s: float, worker: str = "worker-1") -> bool:
    """As the worker's own role, which may do no more than it needs."""
    database = await Database.connect(role_url(play.url, "worker"), name="worker")
    try:
        async with database.autocommit() as session:
            later = [Postponement(claimed.id, claimed.attempt, after_s)]
            done = await postponing.postpone(session, worker, later, pool="default", retry_s_max=3600)
    finally:
        await database.close()
    return claimed.id in done


async def row_of(play: Play) -> dict[str, Any]:
    async with play.database.autocommit() as session:
        [row] = await session.fetch(
            "SELECT p.status, p.attempts, p.worker_id, o.send_after - now() AS sent_in, o.bulk, o.pool "
            "FROM predictions AS p LEFT JOIN outbox AS o ON o.prediction_id = p.id"
        )
    return dict(row)


async def test_a_postponed_prediction_is_queued_again_without_counting_the_attempt(play: Play) -> None:
    await play.submit(play.submission())
    for _ in range(8):  # more often than there are attempts
        [claimed] = await play.claim(*play.ids)
        assert claimed.attempt == 1
        assert await postpone(play, claimed, 60)
    row = await row_of(play)
    assert (row["status"], row["attempts"], row["worker_id"]) == ("queued", 0, None)
    assert timedelta(seconds=50) < row["sent_in"] <= timedelta(seconds=60)
    assert (row["bulk"], row["pool"]) == (False, "default")
    assert await play.balance() == (99, 1)


async def test_beyond_its_time_it_stays_claimed_for_its_worker_to_end(play: Play) -> None:
    await play.submit(play.submission())
    [claimed] = await play.claim(*play.ids)
    assert not await postpone(play, claimed, 3601)
    async with play.database.autocommit() as session:
        await session.execute("UPDATE predictions SET deadline_at = now() + interval '10 seconds'")
    assert not await postpone(play, claimed, 11)
    assert await postpone(play, claimed, 9)


async def test_only_the_worker_that_has_it_may_postpone_it_and_only_once(play: Play) -> None:
    await play.submit(play.submission())
    [claimed] = await play.claim(*play.ids)
    assert not await postpone(play, claimed, 1, worker="worker-2")
    assert not await postpone(play, claimed._replace(attempt=2), 1)
    assert await postpone(play, claimed, 1)
    assert not await postpone(play, claimed, 1)
    assert await play.finish(Finish(claimed.id, claimed.attempt, 1.0, '{"text": "late"}')) == []
