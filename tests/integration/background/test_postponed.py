"""What a model has postponed comes back when it asked for it, on both queue backends."""

from __future__ import annotations

import asyncio

from ml_service.background.relay import Relay
from ml_service.messaging.queue import Queue
from ml_service.platform.settings.app import AppSettings
from ml_service.storage import postponing
from ml_service.storage.postponing import Postponement
from ml_service.usecases.models import Catalog
from services.app.wiring import _leader
from tests.support.broker import consuming, ids
from tests.support.broker_fixtures import broker, queue, room
from tests.support.play import Play
from tests.support.waiting import PATIENCE_S

__all__ = ["broker", "queue", "room"]

AFTER_S = 0.5


async def test_a_postponed_prediction_comes_back_when_its_model_asked_for_it(play: Play, queue: Queue) -> None:
    relay, clock = Relay(play.database, queue, lambda *_: 8), asyncio.get_running_loop().time
    never = {"resend_after_s": 3600, "lost_after_s": 3600}  # so that it comes when it is due, or not at all
    settings = AppSettings(database_url=play.url, jwt_secret="7f1c0d93e5b24a68a1d4c3f05e9b8726", **never)
    leader = _leader(settings, play.database, play.database, queue, relay, Catalog(play.database))
    await play.submit(play.submission())
    [claimed] = await play.claim(*play.ids)
    await leader.start()
    try:
        async with consuming(queue) as consumer:
            while not leader.is_leading:
                await asyncio.sleep(0.05)
            await play.submit(play.submission())  # its sender has its time before the leader sends it
            began = clock()
            async with play.database.autocommit() as session:
                later = [Postponement(claimed.id, claimed.attempt, AFTER_S)]
                assert await postponing.postpone(session, play.worker_id, later, pool="default", retry_s_max=3600)
            came = await consumer.get_batch(1, wait_ms=0, timeout_s=PATIENCE_S)
            assert ids(came) == [claimed.id]
            assert clock() - began > AFTER_S
    finally:
        await leader.close()
