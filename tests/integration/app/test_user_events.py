"""GET /events: a snapshot, then each change once, whatever process made it and whatever was restarted meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from ml_service.domain.ledger import Actor, ActorKind
from ml_service.storage import changes
from ml_service.storage.changes import ROWS_MAX, Position, read_position
from ml_service.usecases import ledger, users
from tests.support.bulk import lines, sent
from tests.support.event_streams import Event, followed, states
from tests.support.play import Play
from tests.support.service import Person, Service, StartService, code_of


async def test_a_stream_begins_with_what_is_open_and_tells_each_change(service: Service, anna: Person) -> None:
    waiting = (await anna.predict("waits")).json()
    async with followed(service, anna) as stream:
        snapshot = await stream.next()
        assert snapshot.name == "snapshot"
        assert snapshot.data == {"balance": 99, "held": 1, "open": [waiting], "open_count": 1, "bulk": []}
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        async with service.worker():
            seen = await stream.until(waiting["id"], "succeeded")
            assert seen[-1].data == (await anna.get(f"/predictions/{waiting['id']}")).json()
            balance = await stream.next()
            assert (balance.name, balance.data) == ("balance", {"balance": 99, "held": 0})
            seen.append(balance)
            failing = (await anna.predict("fail now")).json()["id"]
            seen += await stream.until(failing, "failed")
        while not await stream.quiet():
            seen.append(await stream.next())
        assert [event.data for event in seen if event.name == "balance"][-1] == {"balance": 99, "held": 0}
        assert len(set(states(seen))) == len(states(seen))
        ids = [snapshot.id, *(event.id for event in seen)]
        assert len(set(ids)) == len(ids)


async def test_a_stream_tells_of_canceling_and_of_credits(service: Service, anna: Person) -> None:
    async with followed(service, anna) as stream:
        assert (await stream.next()).data["balance"] == 100
        asked = (await anna.predict()).json()["id"]
        assert states([await stream.next()]) == [(asked, "queued")]
        assert (await stream.next()).data == {"balance": 99, "held": 1}
        await anna.post(f"/predictions/{asked}/cancel")
        assert states([await stream.next()]) == [(asked, "canceled")]
        assert (await stream.next()).data == {"balance": 100, "held": 0}
        async with service.database.begin() as session:  # another process, and no prediction
            user = await users.get_by_name(session, "anna")
            assert user is not None
            await ledger.top_up(session, user.id, 7, Actor(ActorKind.ADMIN, "ben"))
        assert (await stream.next()).data == {"balance": 107, "held": 0}
        assert await stream.quiet()


async def test_changes_made_by_another_process_reach_all_tabs(
    service: Service, start_service: StartService, anna: Person
) -> None:
    """How soon it does is measured by `python -m benchmarks streams`."""
    async with start_service() as other, followed(service, anna) as one, followed(service, anna) as two:
        await asyncio.gather(one.next(), two.next())
        elsewhere = Person(other.client, "anna", anna.tokens)
        asked = (await elsewhere.predict()).json()["id"]
        for stream in (one, two):
            assert states(await stream.until(asked, "queued")) == [(asked, "queued")]
            assert (await stream.next()).data == {"balance": 99, "held": 1}
            assert await stream.quiet(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("cut_after", range(7))
async def test_a_stream_resumes_without_missing_or_doubling_anything(
    service: Service, start_service: StartService, anna: Person, cut_after: int
) -> None:
    """Cut anywhere, also in the middle of what one reading brings, and taken up again at another process."""
    async with service.worker():
        seen: list[Event] = []
        async with followed(service, anna) as stream:
            last_id = (await stream.next()).id
            for number in range(2):
                asked = (await anna.predict(f"text {number}")).json()["id"]
                seen += await stream.until(asked, "succeeded")
            while not await stream.quiet(0.2):
                seen.append(await stream.next())
        before = seen[:cut_after]
        last_id = before[-1].id if before else last_id
        missed = [(await anna.predict(f"missed {number}")).json()["id"] for number in range(3)]
        for one in missed:
            while (await anna.get(f"/predictions/{one}")).json()["status"] != "succeeded":
                await asyncio.sleep(0.02)
        async with start_service() as other, followed(other, anna, last_id) as stream:
            after = [await stream.next()]
            while not await stream.quiet():
                after.append(await stream.next())
    assert "snapshot" not in {event.name for event in after}
    told = states(before) + states(after)
    assert len(set(told)) == len(told)
    ended = {one for one, status in states(seen) if status == "succeeded"} | set(missed)
    assert {one for one, status in told if status == "succeeded"} == ended
    assert [event.data for event in before + after if event.name == "balance"][-1] == {"balance": 95, "held": 0}


@pytest.mark.slow
async def test_a_cut_between_any_two_events_of_one_piece_misses_and_doubles_nothing(
    service: Service, anna: Person
) -> None:
    """The piece: two predictions, the balance, and two bulk jobs."""
    async with followed(service, anna) as stream:
        begun = (await stream.next()).id
    for number in range(2):
        await anna.predict(f"text {number}")
        await sent(anna, lines({"text": f"line {number}"}))

    async def told_since(last_id: str) -> list[Event]:
        found = []
        async with followed(service, anna, last_id) as stream:
            while not await stream.quiet():
                found.append(await stream.next())
        return found

    def contents(events: list[Event]) -> list[tuple[str, Any]]:
        return [(event.name, event.data) for event in events]

    whole: list[Event] = []
    async with asyncio.timeout(120):  # until both jobs are fed, and change no more
        while [event.name for event in whole] != ["prediction", "prediction", "balance", "bulk", "bulk"]:
            whole = await told_since(begun)
    for taken, event in enumerate(whole, start=1):
        assert contents(await told_since(event.id)) == contents(whole[taken:]), event.name


async def test_a_late_commit_is_reported_after_newer_ones(service: Service, anna: Person) -> None:
    first, second = [(await anna.predict(text)).json()["id"] for text in ("first", "second")]
    finish = (
        "WITH done AS (UPDATE predictions SET status = 'canceled', error_code = 'canceled', finished_at = now()"
        " WHERE id = $1 RETURNING id, user_id, cost), back AS (UPDATE users SET balance = balance + 1,"
        " grants_left = grants_left + 1 WHERE id = (SELECT user_id FROM done) AND $2)"
        " INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)"
        " SELECT user_id, 'release', cost, id, 'system', 'test' FROM done"
    )
    async with followed(service, anna) as stream:
        await stream.next()
        async with service.database.begin() as late:
            await late.execute(finish, first, False)  # noqa: FBT003  the balance later: its row would be locked
            async with service.database.begin() as early:
                await early.execute(finish, second, True)  # noqa: FBT003
            assert states(await stream.until(second, "canceled")) == [(second, "canceled")]
            assert (await stream.next()).name == "balance"
            assert await stream.quiet(1.0)
            await late.execute(
                "UPDATE users SET balance = balance + 1, grants_left = grants_left + 1 WHERE username = 'anna'"
            )
        assert states(await stream.until(first, "canceled")) == [(first, "canceled")]
        assert (await stream.next()).data == {"balance": 100, "held": 0}
        assert await stream.quiet()


async def test_a_large_batch_comes_in_pieces_and_whole(service: Service, anna: Person) -> None:
    async with followed(service, anna) as stream:
        await stream.next()
        answer = await anna.post("/predictions/batch", {"items": [{"text": f"{n} " + "x" * 3000} for n in range(90)]})
        ids = {item["id"] for item in answer.json()["items"]}
        told: list[tuple[str, str]] = []
        async with service.worker():
            while {one for one, status in told if status == "succeeded"} != ids:
                told += states([await stream.next(20)])
        assert len(set(told)) == len(told)


async def test_a_batch_that_comes_in_the_middle_of_a_reading_comes_once(service: Service, anna: Person) -> None:
    """And what was claimed in the middle of one comes with it, because nothing else tells of it."""
    play = Play(service.database, UUID((await anna.get("/users/me")).json()["id"]))

    async def read(position: Position) -> tuple[list[str], Position]:
        found = await service.components.live_changes.read(play.user_id, position)
        assert found is not None
        return [f"{one.id} {one.status}" for one in found[0].predictions], found[1]

    begun = await service.components.live_changes.begin(play.user_id)
    assert begun is not None
    first = play.submission(items=ROWS_MAX + 2, batch=True, cost=0)
    await play.submit(first)
    told, position = await read(begun[1])
    assert len(told) == ROWS_MAX
    second = play.submission(items=2, batch=True, cost=0)
    await play.submit(second)
    await play.claim(first.items[-1].id)
    for _ in range(3):
        news, position = await read(position)
        told += news
    assert len(told) == len(set(told)) == ROWS_MAX + 4
    assert f"{first.items[-1].id} processing" in told
    assert {f"{item.id} queued" for item in second.items} < set(told)


async def test_a_slow_reader_gets_the_latest_state_and_keeps_nothing_waiting(service: Service, anna: Person) -> None:
    async with followed(service, anna) as slow, followed(service, anna) as quick, service.worker():
        await asyncio.gather(slow.next(), quick.next())
        slow.pause.clear()
        first = (await anna.predict("blocks what is sent")).json()["id"]
        await quick.until(first, "succeeded")
        asked = [(await anna.predict(f"text {number}")).json()["id"] for number in range(5)]
        for one in asked:
            while (await anna.get(f"/predictions/{one}")).json()["status"] != "succeeded":
                await asyncio.sleep(0.02)
        slow.pause.set()
        told: list[tuple[str, str]] = []
        while {one for one, status in told if status == "succeeded"} != {first, *asked}:
            told += states([await slow.next()])
        assert len(set(told)) == len(told)
        assert [one for one in told if one[0] != first] == [(one, "succeeded") for one in asked]


async def test_a_stream_ends_with_its_session_and_no_other(service: Service, anna: Person) -> None:
    other = await service.sign_in("anna")
    async with followed(service, anna) as ends, followed(service, other) as stays:
        await asyncio.gather(ends.next(), stays.next())
        await anna.post("/logout")
        assert await ends.ended()
        assert await stays.quiet(0.1)
        assert (await other.predict()).status_code == 202
        assert (await stays.next()).name == "prediction"
    assert not service.components.live_changes._followers


async def test_streams_are_for_their_owner_and_bounded(start_service: StartService) -> None:
    async with start_service(streams_per_user_max=2) as service:
        anna, ben = await service.join("anna"), await service.join("ben")
        async with followed(service, anna) as one, followed(service, anna) as two, followed(service, ben) as bens:
            await asyncio.gather(one.next(), two.next(), bens.next())
            assert code_of(await anna.get("/events")) == (429, "too_many_requests")
            await anna.predict()
            await one.next()
            assert await bens.quiet()
            last_id = (await two.next()).id
        async with followed(service, ben, last_id) as stream:  # another user's position tells nothing of that user
            assert await stream.quiet(1.0)
        assert code_of(await service.client.get("/events")) == (401, "unauthenticated")


USELESS_IDS = [
    *("7", "x" * 5000, "1:1:;0;0;0;1", ";;;", "1:1:;-1;0;0", "2:1:;0;0;0", "1:9:3,2;0;0;0", "1:2:1,1;1;1;1", "é"),
    *(
        "1:1:;0;0;9223372036854775808",
        "9000000000:9000000000:;0;0;0",
        "1:1:;0;0;0;;00000000000000000000000000000000;ffffffffffffffffffffffffffffffff",
    ),
]


async def test_an_id_that_is_of_no_use_is_answered_with_a_snapshot(service: Service, anna: Person) -> None:
    for last_id in USELESS_IDS:
        async with followed(service, anna, last_id) as stream:
            assert (await stream.next()).name == "snapshot", last_id


async def test_an_id_from_too_long_ago_is_answered_with_a_snapshot(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed(service, anna) as stream:
        last_id = (await stream.next()).id
    position = read_position(last_id)
    assert position is not None
    assert str(position) == last_id
    await anna.predict()
    async with followed(service, anna, last_id) as stream:
        assert (await stream.next()).name == "prediction"
    monkeypatch.setattr(changes, "BEHIND_MAX", 0)
    async with followed(service, anna, last_id) as stream:
        assert (await stream.next()).name == "snapshot"


async def test_a_stream_ends_where_another_server_has_taken_over_with_less(service: Service, anna: Person) -> None:
    """The client comes again with its position, which is then answered with a snapshot."""
    user_id = UUID((await anna.get("/users/me")).json()["id"])
    for since, until in (("9000000000:9000000000:", ""), ("1:1:", "9000000000:9000000000:")):
        assert await service.components.live_changes.read(user_id, Position(since, 0, 100, 0, until)) is None
    assert await service.components.live_changes.read(user_id, Position("1:1:", 0, 100, 0)) is not None


def test_a_position_with_many_transactions_under_way_stays_short() -> None:
    under_way = ",".join(str(number) for number in range(1_000_000, 1_004_000, 2))
    position = Position(f"1000000:1004000:{under_way}", 5, 100, 1)
    assert read_position(str(position)) == Position("1000000:1000000:", 5, 100, 1)


async def test_the_stop_of_the_service_ends_streams(service: Service, anna: Person) -> None:
    async with followed(service, anna) as stream:
        await stream.next()
        service.components.live_changes.release()
        assert await stream.ended(2)
