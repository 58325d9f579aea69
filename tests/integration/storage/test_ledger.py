"""Refunds, chargebacks, grants that stay, actors, and an audit that finds each way in which books can be wrong."""

from __future__ import annotations

import asyncio

import pytest

from ml_service.domain.errors import IdempotencyKeyReused, InvalidInput
from ml_service.domain.ledger import Actor, ActorKind, Kind
from ml_service.storage import canceling
from ml_service.storage import ledger as stored
from ml_service.storage.finishing import Finish
from ml_service.usecases import ledger, users
from tests.support.play import Play

ADMIN = Actor(ActorKind.ADMIN, "anna")


async def pay(play: Play, cost: int) -> None:
    """Let a prediction of this cost succeed."""
    await play.submit(play.submission(cost=cost))
    [claimed] = await play.claim(play.ids[-1])
    await play.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))


async def refund(play: Play, amount: int, key: str = "k", actor: Actor = ADMIN) -> int:
    async with play.database.begin() as session:
        return await ledger.refund(session, play.user_id, amount, actor, reason="sorry", key=key)


async def top_up(play: Play, amount: int) -> int:
    async with play.database.begin() as session:
        return await ledger.top_up(session, play.user_id, amount, ADMIN)


async def charge_back(play: Play, amount: int, key: str = "k") -> int:
    async with play.database.begin() as session:
        return await ledger.charge_back(session, play.user_id, amount, ADMIN, reason="reversed", key=key)


async def test_a_refund_moves_revenue_back_and_a_chargeback_takes_credits_out(play: Play) -> None:
    await pay(play, 30)
    assert await refund(play, 10) == 80
    assert await top_up(play, 60) == 140
    assert await charge_back(play, 50, "c") == 90
    books = await play.books()
    assert (books.issued, books.wallets, books.held, books.revenue) == (110, 90, 0, 20)


async def test_a_refund_is_of_at_most_what_was_paid(play: Play) -> None:
    await pay(play, 30)
    await refund(play, 20, "a")
    with pytest.raises(InvalidInput, match="10 credits"):
        await refund(play, 11, "b")
    assert await refund(play, 10, "b") == 100


async def test_a_chargeback_takes_no_more_than_there_is(play: Play) -> None:
    await top_up(play, 50)
    await pay(play, 120)
    with pytest.raises(InvalidInput, match="range from 0"):
        await charge_back(play, 31)
    assert await charge_back(play, 30) == 0


async def test_a_chargeback_is_of_at_most_what_was_bought(play: Play) -> None:
    """The user's 100 credits are a grant, which no payment stands behind."""
    with pytest.raises(InvalidInput, match="bought by top-ups: 0 credits"):
        await charge_back(play, 1, "a")
    await top_up(play, 30)
    assert await charge_back(play, 20, "b") == 110
    with pytest.raises(InvalidInput, match="10 credits"):
        await charge_back(play, 11, "c")
    assert await charge_back(play, 20, "b") == 110
    assert await charge_back(play, 10, "c") == 100


async def test_chargebacks_at_once_take_no_more_than_was_bought(play: Play) -> None:
    await top_up(play, 30)
    tries = await asyncio.gather(*(charge_back(play, 20, f"k{at}") for at in range(5)), return_exceptions=True)
    assert [type(one) for one in tries if isinstance(one, Exception)] == [InvalidInput] * 4
    assert await play.balance() == (110, 0)


async def test_what_was_bought_is_charged_back_where_a_transfer_took_it(play: Play) -> None:
    async with play.database.begin() as session:
        other = (await users.register(session, "boris", None, starting_credits=100)).id
        await ledger.top_up(session, other, 30, ADMIN)
        await ledger.transfer_all(session, other, play.user_id, "joined")
    with pytest.raises(InvalidInput, match="0 credits"):
        await charge_back(Play(play.database, other), 1, "a")
    with pytest.raises(InvalidInput, match="30 credits"):
        await charge_back(play, 31, "b")
    assert await charge_back(play, 30, "c") == 100


async def test_a_repeated_key_moves_nothing_and_another_movement_under_it_is_refused(play: Play) -> None:
    await pay(play, 30)
    assert await refund(play, 10) == 80
    assert await refund(play, 10) == 80
    with pytest.raises(IdempotencyKeyReused):
        await refund(play, 11)
    with pytest.raises(IdempotencyKeyReused):
        await charge_back(play, 10)
    assert await refund(play, 5, actor=Actor(ActorKind.PAYMENT, "stripe")) == 85  # keys belong to their actor


async def test_ten_equal_refunds_at_once_are_one(play: Play) -> None:
    await pay(play, 30)
    assert set(await asyncio.gather(*(refund(play, 3) for _ in range(10)))) == {73}


@pytest.mark.parametrize(("amount", "reason", "key"), [(0, "r", "k"), (-1, "r", "k"), (1, " ", "k"), (1, "r", " ")])
async def test_a_refund_needs_an_amount_a_reason_and_a_key(play: Play, amount: int, reason: str, key: str) -> None:
    await pay(play, 30)
    with pytest.raises(InvalidInput):
        async with play.database.begin() as session:
            await ledger.refund(session, play.user_id, amount, ADMIN, reason=reason, key=key)


async def test_only_what_is_no_unspent_grant_moves_to_another_account(play: Play) -> None:
    async with play.database.begin() as session:
        other = (await users.register(session, "boris", None, starting_credits=100)).id

    async def transfer() -> int:
        async with play.database.begin() as session:
            return await ledger.transfer_all(session, other, play.user_id, "joined")

    assert await transfer() == 0  # all of it was granted
    async with play.database.begin() as session:
        await ledger.top_up(session, other, 50, ADMIN)
    player = Play(play.database, other)
    await player.submit(player.submission(cost=70))
    assert await transfer() == 50  # 30 of the grant are left, 70 are held
    async with play.database.begin() as session:
        await canceling.cancel(session, other, player.ids[0])
    assert await transfer() == 0  # what came back was granted
    assert await player.balance() == (100, 0)
    assert await play.balance() == (150, 0)


async def test_every_movement_names_its_actor(play: Play) -> None:
    await pay(play, 3)
    await play.submit(play.submission())
    async with play.database.begin() as session:
        await canceling.cancel(session, play.user_id, play.ids[-1])
        moved, _ = await stored.statement(session, play.user_id, before=None, kind=None, limit=10)
    user = Actor(ActorKind.USER, str(play.user_id))
    assert [(one.kind, one.actor) for one in reversed(moved)] == [
        (Kind.GRANT, Actor(ActorKind.SYSTEM, "registration")),
        (Kind.HOLD, user),
        (Kind.CAPTURE, Actor(ActorKind.SYSTEM, "worker-1")),
        (Kind.HOLD, user),
        (Kind.RELEASE, user),
    ]


INSERT = (
    "INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)"
    " SELECT user_id, '{kind}', {amount}, id, 'system', 'test' FROM predictions"
)
WRONG = {
    "balance_is_sum_of_transactions": "UPDATE users SET balance = balance + 1",
    "grants_left_is_sum_of_transactions": "UPDATE users SET grants_left = grants_left + 1",
    "transaction_without_user": (
        "INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)"
        " SELECT gen_random_uuid(), 'top_up', 1, 'system', 'test'"
    ),
    "refunds_are_at_most_captures": (
        "INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)"
        " SELECT id, 'refund', 100, 'system', 'test' FROM users"
    ),
    "open_is_not_settled": INSERT.format(kind="release", amount=7),
    "settlement_is_hold": INSERT.format(kind="capture", amount=6),
    "success_is_captured": (
        "UPDATE predictions SET status = 'succeeded', output = '{}', finished_at = now(); "
        + INSERT.format(kind="release", amount=7)
    ),
    "failure_is_released": (
        "UPDATE predictions SET status = 'failed', error_code = 'x', finished_at = now(); "
        + INSERT.format(kind="capture", amount=7)
    ),
    "ended_is_settled": "UPDATE predictions SET status = 'succeeded', output = '{}', finished_at = now()",
    "gone_is_settled": "DELETE FROM predictions",
}


@pytest.mark.parametrize("rule", WRONG)
async def test_the_audit_finds(play: Play, rule: str) -> None:
    await play.submit(play.submission(cost=7))
    async with play.database.autocommit() as session:
        await session.execute("BEGIN")
        await session.execute(WRONG[rule])
        books = await stored.audit(session)
        await session.execute("ROLLBACK")
    assert not books.is_clean
    assert rule in {one.rule for one in books.differences}
