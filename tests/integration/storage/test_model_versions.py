"""Models by name and version: schemas that never change, a default, claims by version, and what nobody serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from ml_service.domain.models import ModelSpec
from ml_service.domain.predictions import Status
from ml_service.storage import claiming, model_versions, models, outbox, predictions, workers
from tests.support.play import Play

TEXT = {"type": "object", "properties": {"text": {"type": "string", "maxLength": 10}}, "required": ["text"]}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
V1 = ModelSpec("echo", "1", "Says it again.", 1, TEXT, TEXT)
V2 = replace(V1, version="2", input_schema=NUMBER, output_schema=NUMBER, price_credits=2)


async def announce(play: Play, *specs: ModelSpec) -> list[ModelSpec]:
    async with play.database.autocommit() as session:
        return await models.announce(session, specs)


async def listed(play: Play) -> list[tuple[str, str, int, bool]]:
    """Name, version, price, is default."""
    async with play.database.autocommit() as session:
        found = await models.list_all(session)
    return [(one.spec.name, one.spec.version, one.price_credits, one.is_default) for one in found]


@asynccontextmanager
async def serving(play: Play, *served: str, worker_id: str = "w") -> AsyncIterator[None]:
    """A live worker that serves these, each as name@version; afterwards it has stopped."""
    async with play.database.autocommit() as session:
        await beat(session, worker_id, served)
        yield
        await workers.stop(session, worker_id)


async def beat(session: Any, worker_id: str, served: Sequence[str]) -> None:
    number = await workers.next_number(session)
    await workers.beat(
        session, worker_id, number, "h", 1, pools=["default"], models=served, model_states={}, state="ready", lease_s=60
    )


async def serve_at_first(play: Play, *served: str) -> None:
    """New versions begin as parked, until the leader sees that a worker serves them."""
    async with serving(play, *served), play.database.autocommit() as session:
        assert sorted(await model_versions.unpark(session)) == sorted(served)


async def submit(play: Play, version: str, number: int = 1) -> None:
    whole = [play.submission() for _ in range(number)]
    await play.submit(*(structs.replace(one, items=(structs.replace(one.items[0], version=version),)) for one in whole))


async def passed(play: Play, seconds: float) -> None:
    """Let time pass for what is stored."""
    async with play.database.autocommit() as session:
        for column in ("served_at", "watched_at"):
            await session.execute(f"UPDATE model_versions SET {column} = {column} - {seconds} * interval '1 second'")
        await session.execute(f"UPDATE predictions SET created_at = created_at - {seconds} * interval '1 second'")


async def end_gone(play: Play, gone_s: float = 100) -> list[str]:
    async with play.database.begin() as session:
        return [one.status for one in await model_versions.end_gone(session, gone_s=gone_s, limit=100)]


@pytest.mark.parametrize(
    "change",
    [
        {"input_schema": NUMBER},
        {"output_schema": NUMBER},
        {"input_schema": TEXT | {"required": []}},
        {"input_schema": TEXT | {"properties": {"text": {"type": "string", "maxLength": 11}}}},
        {"input_schema": TEXT | {"title": "another"}},
    ],
)
async def test_a_version_with_other_schemas_is_refused(play: Play, change: dict[str, Any]) -> None:
    assert await announce(play, V1) == []
    other = replace(V1, **change, price_credits=7)
    assert await announce(play, other) == [other]
    async with play.database.autocommit() as session:
        [kept] = await models.list_all(session)
    assert kept.spec == V1


@pytest.mark.parametrize(
    "change",
    [
        {"input_schema": {name: TEXT[name] for name in sorted(TEXT, reverse=True)}},
        {"input_schema": TEXT | {"properties": {"text": {"maxLength": 10.0, "type": "string"}}}},
        {"price_credits": 5, "description": "Says it.", "batch_size": 8, "timeout_s": 2.0, "pool": "other"},
    ],
)
async def test_a_version_with_the_same_schemas_is_accepted_and_updated(play: Play, change: dict[str, Any]) -> None:
    await announce(play, V1)
    assert await announce(play, replace(V1, **change)) == []
    async with play.database.autocommit() as session:
        assert [one.spec for one in await models.list_all(session)] == [replace(V1, **change)]


async def test_the_first_version_stays_the_default_until_an_admin_promotes_another(play: Play) -> None:
    await announce(play, V1)
    await announce(play, V2)
    await announce(play, V1)  # neither the last announcer nor the newest version wins
    assert await listed(play) == [("echo", "1", 1, True), ("echo", "2", 2, False)]
    async with play.database.autocommit() as session:
        assert not await models.promote(session, "echo", "3")
        assert await models.rollback(session, "echo") is None
        assert await models.promote(session, "echo", "2")
        assert await listed(play) == [("echo", "2", 2, True), ("echo", "1", 1, False)]
        assert await models.rollback(session, "echo") == "1"
        assert await models.rollback(session, "echo") == "2"


async def test_an_admins_price_holds_for_all_versions(play: Play) -> None:
    await announce(play, V1, V2)
    async with play.database.autocommit() as session:
        await models.set_price(session, "echo", 9)
        assert [price for _, _, price, _ in await listed(play)] == [9, 9]
        await models.set_price(session, "echo", None)
    assert sorted(price for _, _, price, _ in await listed(play)) == [1, 2]


async def test_only_versions_that_no_worker_serves_are_forgotten(play: Play) -> None:
    await announce(play, V1, V2)
    async with play.database.autocommit() as session:
        async with serving(play, "echo@2"):
            assert await models.forget(session, "echo", "2") == 0
            assert await models.forget(session, "echo") == 1
            assert await listed(play) == [("echo", "2", 2, True)]  # it takes the forgotten default's place
        assert await models.forget(session, "echo", "2") == 1
    assert await listed(play) == []


async def test_a_served_version_takes_the_place_of_a_forgotten_default(play: Play) -> None:
    await announce(play, V1)
    await announce(play, V2)
    await announce(play, replace(V2, version="3"))
    async with serving(play, "echo@2"), play.database.autocommit() as session:
        assert await models.forget(session, "echo", "1") == 1
        assert [one.spec.version for one in await models.list_all(session) if one.is_default] == ["2"]
        assert not await models.promote(session, "echo", "1")
        assert await models.rollback(session, "echo") is None


OTHER = replace(V1, input_schema=NUMBER, output_schema=NUMBER)


async def test_while_something_waits_for_a_forgotten_version_its_schemas_hold(play: Play) -> None:
    await announce(play, V1)
    await serve_at_first(play, "echo@1")
    await submit(play, "1", 2)
    async with play.database.autocommit() as session:
        assert await models.forget(session, "echo", "1") == 1
    assert await listed(play) == []
    assert await announce(play, OTHER) == [OTHER], "what waits was validated by the other schema"
    assert await listed(play) == []
    assert await announce(play, V1) == []
    assert await listed(play) == [("echo", "1", 1, True)]
    async with serving(play, "echo@1"), play.database.autocommit() as session:
        assert await model_versions.unpark(session) == ["echo@1"], "and what waits is sent again"


async def test_a_forgotten_version_for_which_nothing_waits_begins_again(play: Play) -> None:
    await announce(play, V1)
    await serve_at_first(play, "echo@1")
    await submit(play, "1")
    async with play.database.autocommit() as session:
        assert await models.forget(session, "echo", "1") == 1
    await passed(play, 1000)
    assert await end_gone(play) == ["failed"]
    assert await announce(play, OTHER) == []
    async with play.database.autocommit() as session:
        assert [one.spec for one in await models.list_all(session)] == [OTHER]


async def test_a_claim_takes_only_rows_of_the_worker_s_version(play: Play) -> None:
    await submit(play, "1", 3)
    await submit(play, "2", 2)
    assert [one.id for one in await play.claim(*play.ids, version="2")] == play.ids[3:]
    assert [one.id for one in await play.claim(*play.ids, version="1")] == play.ids[:3]
    assert await play.claim(*play.ids, version="3", redelivered=True) == []


async def test_a_prediction_that_a_worker_gives_back_is_queued_again(play: Play) -> None:
    await submit(play, "1", 2)
    await play.claim(*play.ids)
    async with play.database.autocommit() as session:
        await claiming.give_back(session, "worker-2", play.ids)  # not its own
        held = await predictions.get_many(session, play.ids)
        await claiming.give_back(session, play.worker_id, play.ids)
        queued = await predictions.get_many(session, play.ids)
    assert {one.status for one in held.values()} == {Status.PROCESSING}
    assert {(one.status, one.worker_id, one.attempts) for one in queued.values()} == {(Status.QUEUED, None, 1)}
    assert len(await play.claim(*play.ids, worker="worker-3")) == 2


async def test_predictions_of_an_unserved_version_fail_after_a_while_and_are_refunded(play: Play) -> None:
    await announce(play, V1, V2)
    await submit(play, "1", 2)
    await submit(play, "2")
    await passed(play, 99)
    assert await end_gone(play) == []
    await passed(play, 2)
    async with serving(play, "echo@2"), play.database.autocommit() as session:
        await model_versions.watch(session, every_s=0, gap_s=1000)
        assert await end_gone(play) == ["failed", "failed"]
        found = await predictions.get_many(session, play.ids)
    assert [found[id_].error and found[id_].error.code for id_ in play.ids] == ["version_gone", "version_gone", None]
    assert await play.balance() == (99, 1)
    assert (await play.books()).differences == ()


async def test_a_prediction_waits_its_full_time_even_for_a_version_that_is_long_gone(play: Play) -> None:
    await announce(play, V1)
    await passed(play, 1000)
    await submit(play, "1")
    assert await end_gone(play) == []
    await passed(play, 101)
    assert await end_gone(play) == ["failed"]


async def test_predictions_of_a_forgotten_version_fail_as_well(play: Play) -> None:
    await submit(play, "1")
    assert await end_gone(play) == []
    await passed(play, 101)
    assert await end_gone(play) == ["failed"]


async def test_claimed_predictions_fail_only_once_their_worker_is_gone(play: Play) -> None:
    await announce(play, V1)
    await submit(play, "1")
    async with play.database.own_connection(play.url, "lock") as own:
        number = await workers.next_number(own)
        await workers.hold_lock(own, number)
        await workers.beat(
            own, play.worker_id, number, "h", 1, pools=[], models=[], model_states={}, state="ready", lease_s=60
        )
        await play.claim(*play.ids)
        await passed(play, 101)
        assert await end_gone(play) == []
    async with asyncio.timeout(30):  # the server frees the lock soon after the connection has gone
        while not (ended := await end_gone(play)):
            await asyncio.sleep(0.05)
    assert ended == ["failed"]


@pytest.mark.parametrize(("gap_s", "is_gone"), [(30, False), (1000, True)])
async def test_time_without_a_leader_does_not_count_as_unserved(play: Play, gap_s: float, is_gone: bool) -> None:
    await announce(play, V1)
    await submit(play, "1")
    await passed(play, 500)  # everything was off, and starts again
    async with play.database.autocommit() as session:
        await model_versions.watch(session, every_s=0, gap_s=gap_s)
    assert bool(await end_gone(play)) is is_gone


async def test_a_version_is_parked_only_while_nobody_serves_it(play: Play) -> None:
    await announce(play, V1, V2)
    await serve_at_first(play, "echo@1", "echo@2")
    async with play.database.autocommit() as session:
        assert await model_versions.park(session, "echo", "1", "default")
        assert await model_versions.unpark(session) == []
        async with serving(play, "echo@1", "echo@2"):
            assert not await model_versions.park(session, "echo", "2", "default")
            assert await model_versions.park(session, "echo", "2", "gpu")  # it is served, but not from this queue
            assert sorted(await model_versions.unpark(session)) == ["echo@1", "echo@2"]
            assert await model_versions.unpark(session) == []
        assert await model_versions.park(session, "nobody", "knows", "default")


async def test_parked_predictions_are_sent_again_only_when_their_version_is_back(play: Play) -> None:
    await announce(play, V1, V2)
    await serve_at_first(play, "echo@1", "echo@2")
    await submit(play, "1")
    await submit(play, "2")
    async with play.database.autocommit() as session:
        await session.execute("DELETE FROM outbox")
        await model_versions.park(session, "echo", "1", "default")
        assert await predictions.under_way_and_ended(session, play.ids) == ({play.ids[1]}, set())
    async with play.database.begin() as session:
        assert await outbox.resend(session, older_than_s=0, pool="default") == 1
        assert await outbox.resend(session, older_than_s=0, of_models=["echo@1"]) == 1
        entries = await outbox.take_overdue(session, older_than_s=0, again_after_s=9, limit=9)
    assert sorted((one.id, one.version) for one in entries) == sorted(zip(play.ids, ["1", "2"], strict=True))


async def test_a_release_replaces_a_default_that_nobody_serves_and_nobody_chose(play: Play) -> None:
    async def replaced() -> list[str]:
        async with play.database.autocommit() as session:
            return await models.replace_unserved(session, [("echo", "2")])

    await announce(play, V1, V2)
    async with serving(play, "echo@1"), serving(play, "echo@2", worker_id="new"):
        assert await replaced() == []  # an old worker is still there
    async with play.database.autocommit() as session:
        await beat(session, "silent", ["echo@1"])
        await session.execute("UPDATE workers SET lease_until = now() - interval '1 minute' WHERE id = 'silent'")
    assert await replaced() == []  # it may come back
    async with play.database.autocommit() as session:
        await workers.stop(session, "silent")
    assert await replaced() == ["echo@2"]
    assert [one[1] for one in await listed(play) if one[3]] == ["2"]
    assert await replaced() == []
    async with play.database.autocommit() as session:
        assert await models.promote(session, "echo", "1")
    assert await replaced() == []  # an admin has chosen


async def test_the_default_that_an_admin_names_again_is_chosen(play: Play) -> None:
    await announce(play, V1, V2)
    async with play.database.autocommit() as session:
        assert await models.promote(session, "echo", "1")
        assert await models.replace_unserved(session, [("echo", "2")]) == []
        assert await models.rollback(session, "echo") is None
