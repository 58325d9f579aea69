"""Messages to webhooks in the table: leased, fenced, fair; and what breaks without each mechanism."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from ml_service.domain.ids import new_id
from ml_service.domain.webhooks import DeliveryFailure, FailureCode
from ml_service.storage import webhook_deliveries, webhooks
from ml_service.storage.database import Database, Session
from ml_service.storage.finishing import Finish
from ml_service.storage.webhook_deliveries import DueMessage, Mark
from tests.support.mutations import replaced
from tests.support.play import Play


async def webhook_of(play: Play, *events: str) -> UUID:
    id_ = new_id()
    async with play.database.begin() as session:
        await webhooks.lock(session, play.user_id)
        await webhooks.add(
            session, id_, play.user_id, "https://example.com", events, f"whsec_{id_}", balance_low_credits=10
        )
    return id_


async def owe(play: Play, webhook_id: UUID, count: int = 1) -> None:
    async with play.database.begin() as session:
        for _ in range(count):
            await webhook_deliveries.owe_to(session, play.user_id, webhook_id, "webhook.test", new_id(), "{}")


async def take(database: Database, limit: int = 100, **rooms: int) -> list[DueMessage]:
    async with database.autocommit() as session:
        return await webhook_deliveries.take_due(session, rooms, but_users=[], limit=limit, lease_s=30)


FAILED = DeliveryFailure(FailureCode.ANSWERED, "500")


def done(message: DueMessage, failure: DeliveryFailure | None = None, retry_s: float | None = None) -> Mark:
    return Mark.of(message, 200 if failure is None else 500, 12.5, failure, "", retry_s)


async def mark(session: Session, *marks: Mark) -> None:
    await webhook_deliveries.mark(session, marks, failing_days_max=5)


async def endpoint_of(play: Play) -> str:
    async with play.database.autocommit() as session:
        return str(await session.fetchval("SELECT min(endpoint) FROM deliveries"))


async def state_of(play: Play) -> str:
    async with play.database.autocommit() as session:
        [found], _ = await webhook_deliveries.list_of(session, play.user_id, None, before=None, limit=9)
    return found.state


async def lease_ends(play: Play) -> None:
    async with play.database.autocommit() as session:
        await session.execute("UPDATE deliveries SET leased_until = now() - interval '1 ms'")


async def test_a_message_is_taken_once_until_its_lease_ends(play: Play) -> None:
    await owe(play, await webhook_of(play, "balance.low"))
    [first] = await take(play.database)
    assert await take(play.database) == []
    await lease_ends(play)
    [second] = await take(play.database)
    assert (second.id, second.attempts, second.tries) == (first.id, 2, 2)


async def test_without_the_lease_a_message_is_sent_twice(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    without = replaced(
        webhook_deliveries._TAKE_DUE, "leased_until = now() + $4 * interval '1 second'", "due_at = due_at"
    )
    monkeypatch.setattr(webhook_deliveries, "_TAKE_DUE", replaced(without, "LIMIT $3", "LIMIT $3 + 0 * $4::int"))
    await owe(play, await webhook_of(play, "balance.low"))
    [first] = await take(play.database)
    [second] = await take(play.database)
    assert first.id == second.id


@pytest.mark.parametrize("is_fenced", [True, False])
async def test_a_late_failure_does_not_undo_a_delivery_thanks_to_the_fence(
    play: Play, monkeypatch: pytest.MonkeyPatch, *, is_fenced: bool
) -> None:
    if not is_fenced:
        without = replaced(webhook_deliveries._MARK, "AND d.attempts = r.attempt AND d.delivered_at IS NULL", "")
        monkeypatch.setattr(webhook_deliveries, "_MARK", without)
    await owe(play, await webhook_of(play, "balance.low"))
    [late] = await take(play.database)
    await lease_ends(play)
    [message] = await take(play.database)
    async with play.database.autocommit() as session:
        await mark(session, done(message))
        await mark(session, done(late, FAILED, 5))
    assert await state_of(play) == ("delivered" if is_fenced else "pending")


async def test_a_mark_before_the_other_one_waits_is_not_the_last_word(play: Play) -> None:
    await owe(play, await webhook_of(play, "balance.low"))
    [late] = await take(play.database)
    await lease_ends(play)
    [message] = await take(play.database)
    async with play.database.autocommit() as session:
        await mark(session, done(late, FAILED))
        assert await state_of(play) == "pending"  # the other one is still sending it
        await mark(session, done(message))
    assert await state_of(play) == "delivered"


async def attempts_of(session: Session) -> list[tuple[int, int | None]]:
    rows = await session.fetch("SELECT attempt, status FROM delivery_attempts ORDER BY delivery_id, attempt")
    return [(row["attempt"], row["status"]) for row in rows]


async def test_marks_whose_answer_was_lost_are_repeated_without_harm_to_others(play: Play) -> None:
    await owe(play, await webhook_of(play, "balance.low"), 3)
    failed, delivered, neighbour = await take(play.database, **{await endpoint_of(play): 3})
    async with play.database.autocommit() as session:
        await mark(session, done(failed, FAILED, 60), done(delivered))
        due_at = await session.fetchval("SELECT due_at FROM deliveries WHERE id = $1", failed.id)
        await mark(session, done(failed, FAILED, 60), done(delivered), done(neighbour))
        assert await attempts_of(session) == [(1, 500), (1, 200), (1, 200)]
        found, _ = await webhook_deliveries.list_of(session, play.user_id, None, before=None, limit=9)
        assert [one.state for one in found] == ["delivered", "delivered", "pending"]
        assert await session.fetchval("SELECT due_at FROM deliveries WHERE id = $1", failed.id) == due_at


async def test_marks_are_repeated_without_harm_while_the_first_commit_is_under_way(play: Play) -> None:
    await owe(play, await webhook_of(play, "balance.low"), 2)
    failed, neighbour = await take(play.database, **{await endpoint_of(play): 2})
    async with play.database.begin() as slow:
        await mark(slow, done(failed, FAILED, 60))

        async def repeat() -> None:
            async with play.database.autocommit() as session:
                await mark(session, done(failed, FAILED, 60), done(neighbour))

        repeating = asyncio.create_task(repeat())
        while not await slow.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)
    await repeating
    async with play.database.autocommit() as session:
        assert await attempts_of(session) == [(1, 500), (1, 200)]


async def test_a_repeated_mark_does_not_end_what_was_asked_to_be_sent_again(play: Play) -> None:
    await owe(play, await webhook_of(play, "balance.low"))
    [message] = await take(play.database)
    async with play.database.autocommit() as session:
        await mark(session, done(message))
        assert await webhook_deliveries.resend(session, play.user_id, message.id)
        await mark(session, done(message))
    assert await state_of(play) == "pending"


async def test_a_long_queue_to_one_leaves_the_others_their_turn(play: Play) -> None:
    busy, other = await webhook_of(play, "balance.low"), await webhook_of(play, "balance.low")
    await owe(play, busy, 50)
    await owe(play, other, 2)
    taken = await take(play.database)
    assert sorted(one.webhook_id for one in taken) == sorted([busy, other])
    endpoint = f"{play.user_id} {busy}"
    taken = await take(play.database, **{endpoint: 8})
    assert sorted(str(one.webhook_id) for one in taken) == sorted([*[str(busy)] * 8, str(other)])
    assert await take(play.database, **{endpoint: 0}) == []
    async with play.database.autocommit() as session:
        nothing = await webhook_deliveries.take_due(session, {}, but_users=[str(play.user_id)], limit=9, lease_s=30)
    assert nothing == []


async def test_a_returned_delivery_is_due_and_has_lost_no_attempt(play: Play) -> None:
    await owe(play, await webhook_of(play, "balance.low"))
    [message] = await take(play.database)
    async with play.database.autocommit() as session:
        await webhook_deliveries.give_back(session, [(message.id, message.attempts)])
    [again] = await take(play.database)
    assert (again.id, again.attempts, again.tries) == (message.id, 2, 1)


@pytest.mark.parametrize("hears", [True, False])
async def test_a_finish_owes_messages_only_to_subscribed_receivers(play: Play, *, hears: bool) -> None:
    if hears:
        await webhook_of(play, "prediction.succeeded", "prediction.failed")
    ids = [(await play.submit(play.submission())) and play.ids[-1] for _ in range(3)]
    claimed = await play.claim(*ids)
    await play.finish(*(Finish(one.id, one.attempt, 1.0, "{}") for one in claimed))
    taken = await take(play.database, **{f"{play.user_id} x": 1})
    async with play.database.autocommit() as session:
        owed = await session.fetch("SELECT subject_id FROM deliveries")
        flags = await session.fetchval("SELECT count(*) FROM predictions WHERE owes_webhooks")
    assert sorted(row["subject_id"] for row in owed) == (sorted(ids) if hears else [])
    assert (flags, len(taken)) == ((3, 1) if hears else (0, 0))


async def test_old_messages_go_with_their_attempts(play: Play) -> None:
    await owe(play, await webhook_of(play, "balance.low"), 3)
    [message] = await take(play.database)
    async with play.database.autocommit() as session:
        await mark(session, done(message))
        await session.execute("UPDATE deliveries SET created_at = now() - interval '15 days' WHERE id = $1", message.id)
        assert await webhook_deliveries.purge(session, 14, 100) == 1
        assert await session.fetchval("SELECT count(*) FROM deliveries") == 2
        assert await session.fetchval("SELECT count(*) FROM delivery_attempts") == 0


async def test_a_page_of_the_log_is_bounded_in_bytes(play: Play) -> None:
    """Messages that were sent again and again: fifty attempts each, each with a kilobyte of what the receiver said."""
    await owe(play, await webhook_of(play, "balance.low"), 40)
    async with play.database.autocommit() as session:
        await session.execute(
            "INSERT INTO delivery_attempts (delivery_id, attempt, status, ms, error, answer)"
            " SELECT id, n, 500, 1, 'It answered 500.', repeat('x', 1000) FROM deliveries, generate_series(1, 70) AS n"
        )
        found: list[int] = []
        before = None
        while True:
            page, has_more = await webhook_deliveries.list_of(session, play.user_id, None, before=before, limit=30)
            assert 1 <= len(page) < 12
            assert (
                sum(len(one.answer or "") for each in page for one in each.attempts) < 2 * webhook_deliveries.PAGE_BYTES
            )
            found += [one.id for one in page]
            before = page[-1].id
            if not has_more:
                break
        everything = await session.fetch("SELECT id FROM deliveries ORDER BY id DESC")
        short, has_more = await webhook_deliveries.list_of(session, play.user_id, None, before=None, limit=3)
    assert found == [row["id"] for row in everything]
    assert (len(short), has_more) == (3, True)
