"""Claims do not wait for the database's disk: what a crash makes of one that it forgot is done to the row here."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.checker import books_of, connected, drained
from tests.support.load import Load
from tests.support.rig import Setup, running_rig
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

FORGET = """
    UPDATE predictions SET status = 'queued', worker_id = NULL, started_at = NULL, attempts = attempts - 1
    WHERE status = 'processing'"""


# Thirty naps take three seconds: time enough to forget their claims meanwhile.
@pytest.mark.parametrize(("text", "items", "status"), [("!nap", 30, "succeeded"), ("!hang", 1, "failed")])
async def test_a_prediction_whose_claim_was_forgotten_gets_the_answer_that_was_computed(
    database_url: str, text: str, items: int, status: str
) -> None:
    """Long before the sweeper would find a row that is queued and in no queue."""
    setup = Setup(apps=1, workers=1, models="troublesome", env={"DEFAULT_MODEL": "troublesome", "LOST_AFTER_S": "600"})
    async with running_rig(database_url, None, setup) as rig, connected(database_url) as session:
        load = Load(rig.urls)
        await load.register()
        assert await load.ask(load.new_request(text=text, items=items, model="troublesome"))
        async with asyncio.timeout(PATIENCE_S):
            while await session.execute(FORGET) == "UPDATE 0":
                await asyncio.sleep(0.02)
        assert await drained(database_url, PATIENCE_S)
        ended = await session.fetch("SELECT status, attempts FROM predictions")
        assert [tuple(one) for one in ended] == [(status, 1)] * items
        assert await books_of(session) == []
        assert not rig.said("answers_dropped")
        await load.close()
