"""Versions that move between pools: what waits follows them, into the one that is left too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from ml_service.domain.bulk import Chunk
from ml_service.domain.ids import new_id
from ml_service.domain.models import ModelSpec
from ml_service.domain.predictions import Source
from ml_service.storage import bulk_feeding, bulk_jobs, model_versions, models, outbox, workers
from ml_service.storage.models import KnownSpecs
from tests.support.play import Play

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
IN_DEFAULT = ModelSpec("echo", "1", "Says it again.", 1, SCHEMA, SCHEMA)
IN_GPU = replace(IN_DEFAULT, pool="gpu")


async def announce(play: Play, spec: ModelSpec) -> None:
    async with play.database.autocommit() as session:
        assert await models.announce(session, [spec], moved_s=0) == []


@asynccontextmanager
async def serving(play: Play, *pools: str) -> AsyncIterator[None]:
    """A live worker of these pools that serves the version; afterwards it has stopped."""
    worker = pools[0]
    async with play.database.autocommit() as session:
        number = await workers.next_number(session)
        await workers.beat(
            session, worker, number, "h", 1, pools=pools, models=["echo@1"], model_states={}, state="ready", lease_s=60
        )
    yield
    async with play.database.autocommit() as session:
        await workers.stop(session, worker)


async def unpark(play: Play) -> list[str]:
    async with play.database.autocommit() as session:
        return await model_versions.unpark(session)


async def pools_of_outbox(play: Play) -> list[str]:
    async with play.database.autocommit() as session:
        return [row["pool"] for row in await session.fetch("SELECT pool FROM outbox ORDER BY prediction_id")]


async def test_what_waits_in_a_pool_whose_workers_have_ended_follows_its_version(play: Play) -> None:
    await announce(play, IN_GPU)
    async with serving(play, "gpu"):
        assert await unpark(play) == ["echo@1"]
    await play.submit(play.submission(), play.submission())
    async with play.database.autocommit() as session:
        await session.execute("DELETE FROM outbox")  # both are in the queue of the pool, which nobody reads any more
    await announce(play, IN_DEFAULT)
    async with serving(play, "default"):
        assert await unpark(play) == ["echo@1"]
        async with play.database.begin() as session:
            assert await outbox.resend(session, older_than_s=0, of_models=["echo@1"]) == 2
        assert await pools_of_outbox(play) == ["default", "default"]
        await announce(play, IN_DEFAULT)  # another worker starts: nothing has moved
        assert await unpark(play) == []


async def test_what_waits_in_the_pool_that_a_version_has_left_is_dropped_though_its_workers_serve_both(
    play: Play,
) -> None:
    await announce(play, IN_DEFAULT)
    await announce(play, IN_GPU)
    async with serving(play, "gpu", "default"):
        assert await unpark(play) == ["echo@1"]
        async with play.database.autocommit() as session:
            assert not await model_versions.park(session, "echo", "1", "gpu")
            assert await model_versions.park(session, "echo", "1", "default"), "it would be passed on again and again"
            assert await model_versions.park_again(session, [("echo", "1")], "gpu") == set()
            assert await model_versions.park_again(session, [("echo", "1")], "default") == {("echo", "1")}
        assert await unpark(play) == ["echo@1"], "what was dropped is sent again, to the new pool"


async def test_a_version_that_has_moved_stays_parked_until_all_apps_know_its_new_pool(play: Play) -> None:
    await announce(play, IN_GPU)
    async with serving(play, "gpu"):
        assert await unpark(play) == ["echo@1"], "one that is new is served at once"
    async with play.database.autocommit() as session:
        assert await models.announce(session, [IN_DEFAULT], moved_s=60) == []
    async with serving(play, "default"):
        assert await unpark(play) == []
        async with play.database.autocommit() as session:
            await session.execute("UPDATE model_versions SET parked_at = parked_at - interval '60 seconds'")
        assert await unpark(play) == ["echo@1"]


async def test_a_version_of_a_pool_without_workers_is_announced_again_by_those_that_serve_it(play: Play) -> None:
    async def announced_again(spec: ModelSpec) -> list[ModelSpec]:
        async with play.database.autocommit() as session:
            return await models.of_empty_pools(session, [spec])

    await announce(play, IN_DEFAULT)
    async with serving(play, "default"):
        await announce(play, IN_GPU)
        async with serving(play, "gpu"):
            assert await announced_again(IN_DEFAULT) == []
            assert await announced_again(IN_GPU) == []
        assert await announced_again(IN_DEFAULT) == [IN_DEFAULT]
        assert await announced_again(IN_GPU) == []
        async with play.database.autocommit() as session:
            assert await models.of_empty_pools(session, []) == []


async def test_lines_of_a_bulk_job_go_to_the_pool_that_its_version_has_now(play: Play) -> None:
    await announce(play, IN_GPU)
    bulk_id = new_id()
    async with play.database.begin() as session:
        fields = {"model": "echo", "version": "1", "pool": "gpu", "price_credits": 1, "open_max": 10}
        assert await bulk_jobs.create(session, bulk_id, play.user_id, Source.API, **fields)
        await bulk_jobs.add_chunk(session, bulk_id, 0, Chunk([1, 2], [None] * 2, ["{}"] * 2, [None] * 2))
        await bulk_jobs.start(
            session, bulk_id, play.user_id, key=None, fingerprint=b"", notifies_chats=None, chat_id=None
        )
    await announce(play, IN_DEFAULT)
    async with play.database.autocommit() as session:
        assert await bulk_feeding.feed(session, bulk_id, 0, [new_id(), new_id()]) == 2
    assert await pools_of_outbox(play) == ["default", "default"]


async def test_specs_that_are_known_are_read_again_only_when_they_have_changed(play: Play) -> None:
    known: KnownSpecs = {}
    await announce(play, IN_DEFAULT)
    async with play.database.autocommit() as session:
        [first] = await models.list_all(session, known)
        [again] = await models.list_all(session, known)
        assert again.spec is first.spec
        await models.announce(session, [replace(IN_DEFAULT, price_credits=7)])
        [changed] = await models.list_all(session, known)
        assert (changed.spec.price_credits, changed.price_credits) == (7, 7)
        await models.set_price(session, "echo", 0)
        [priced] = await models.list_all(session, known)
        assert priced.spec is changed.spec
        assert priced.price_credits == 0
        await models.forget(session, "echo")
        assert await models.list_all(session, known) == []
    assert known == {}
