"""What stops a bulk job, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from ml_service.background.bulk_feeder import BulkFeeder
from ml_service.domain.bulk import BulkStatus
from ml_service.domain.ledger import COMMAND_LINE
from ml_service.domain.models import ModelSpec
from ml_service.storage import bulk_jobs, model_versions
from tests.support.bulk_play import fed, started
from tests.support.play import Play, announce_served

GONE_S = 3600
SPEC = ModelSpec(name="echo", version="1", price_credits=1, description="", input_schema={}, output_schema={})


def feeder(play: Play) -> BulkFeeder:
    return BulkFeeder(play.database, play.database, gone_s=GONE_S, encode=lambda _: "{}")


async def job_of(play: Play, bulk_id: Any) -> Any:
    async with play.database.autocommit() as session:
        return await bulk_jobs.get(session, None, bulk_id)


@pytest.mark.parametrize("outage", [True, False])
async def test_time_in_which_nobody_looked_fails_no_job(play: Play, *, outage: bool) -> None:
    """The sweep may come before the version watch has left the time of an outage out."""
    bulk_id, _ = await started(play, 4)
    async with play.database.autocommit() as session:
        await announce_served(session, SPEC)
        await session.execute("UPDATE bulk_jobs SET started_at = now() - interval '2 hours'")
        await session.execute(
            "UPDATE model_versions SET served_at = now() - interval '2 hours',"
            " watched_at = CASE WHEN $1 THEN now() - interval '2 hours' ELSE now() END",
            outage,
        )
    await feeder(play).sweep()
    assert (await job_of(play, bulk_id)).status is (BulkStatus.RUNNING if outage else BulkStatus.FAILED)
    async with play.database.autocommit() as session:
        await model_versions.watch(session, every_s=5.0, gap_s=30.0)
    await feeder(play).sweep()
    assert (await job_of(play, bulk_id)).status is (BulkStatus.RUNNING if outage else BulkStatus.FAILED)


async def test_lines_that_the_leader_cancels_are_given_back_by_who_canceled_the_job(play: Play) -> None:
    bulk_id, _ = await started(play, 4)
    assert await fed(play.database, bulk_id, 0)
    async with play.database.begin() as session:
        assert await bulk_jobs.stop(session, bulk_id, None, BulkStatus.CANCELED, COMMAND_LINE)
    await feeder(play).feed()
    async with play.database.autocommit() as session:
        rows = await session.fetch(
            "SELECT actor_kind, actor_id, sum(amount)::int AS amount FROM transactions"
            " WHERE kind = 'release' AND actor_id <> 'feeder' GROUP BY 1, 2"
        )
    assert [tuple(row) for row in rows] == [(COMMAND_LINE.kind, COMMAND_LINE.id, 4)]
