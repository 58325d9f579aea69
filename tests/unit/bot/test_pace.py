"""The bot keeps Telegram's limits by itself: simulated seconds, no waiting."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_service.settings import Settings
from services.bot.pace import ALL_BURST, CHAT_BURST, Bucket, Pace
from services.bot.receiving import update_of


def times(bucket: Bucket, asks: list[float]) -> list[float]:
    """When each of these asks may go."""
    return [now + bucket.take(now) for now in asks]


@given(st.lists(st.floats(0, 60), max_size=200).map(sorted))
def test_never_more_than_thirty_in_any_second(asks: list[float]) -> None:
    gone = times(Bucket(1 / 25, ALL_BURST), asks)
    assert all(len([other for other in gone if at <= other < at + 1]) <= 30 for at in gone)


@given(st.lists(st.floats(0, 60), max_size=80).map(sorted))
def test_one_a_second_in_a_chat_but_for_a_short_burst(asks: list[float]) -> None:
    gone = times(Bucket(1.0, CHAT_BURST), asks)
    for length in (1, 5, 20):
        assert all(len([o for o in gone if at <= o < at + length]) <= length + CHAT_BURST for at in gone)


def test_an_idle_chat_waits_for_nothing() -> None:
    bucket = Bucket(1.0, CHAT_BURST)
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


async def test_a_chat_speaks_in_the_order_of_the_asks() -> None:
    pace, said = Pace(1000), list[int]()

    async def speak(number: int) -> None:
        async with pace.turn(7):
            said.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(speak(number) for number in range(3)))
    assert said == [0, 1, 2]


async def test_a_refusal_closes_that_chat_and_several_close_all() -> None:
    pace = Pace(1000)
    pace.refused(1, 60)
    assert pace.closed_s(1) > 59
    assert pace.closed_s(2) == 0
    pace.refused(2, 60)
    pace.refused(3, 60)
    assert pace.closed_s(4) > 59


@pytest.mark.parametrize(
    ("raw", "chat"),
    [
        ({"update_id": 1, "message": {"chat": {"id": 7, "type": "private"}, "text": "\0"}}, 7),
        ({"update_id": 2**63, "message": {"chat": {"id": 7, "type": "private"}}}, None),
        ({"update_id": 1, "callback_query": {"message": {"chat": {"id": 7, "type": "private"}}}}, 7),
        ({"update_id": 1, "my_chat_member": {"chat": {"id": 7, "type": "private"}}}, 7),
        ({"update_id": 1, "message": {"chat": {"id": -7, "type": "group"}}}, None),
        ({"update_id": 1, "poll": {}}, None),
        ({"update_id": "1"}, None),
        ({"update_id": 1, "message": 5}, None),
        ([], None),
    ],
)
def test_only_private_chats_are_listened_to(raw: object, chat: int | None) -> None:
    update = update_of(raw)
    assert (update.chat_id if update else None) == chat


@given(st.text())
def test_an_update_is_kept_as_it_is_but_for_nul(text: str) -> None:
    text = text.encode(errors="replace").decode()
    for said in (text, rf"{text}\u0000", f"{text}\0"):
        update = update_of({"update_id": 1, "message": {"chat": {"id": 7, "type": "private"}, "text": said}})
        assert update is not None
        assert orjson.loads(update.body)["message"]["text"] == said.replace("\0", "")


@pytest.mark.parametrize(
    ("given", "token"),
    [
        ("123456:AAF-x_y", "123456:AAF-x_y"),
        ("", None),
        ("paste-the-token-from-BotFather-here", None),
        ("123456:", None),
        ("12:a b", None),
    ],
)
def test_a_placeholder_is_no_token(given: str, token: str | None) -> None:
    assert Settings(_env_file=None, telegram_token=given).bot_token == token  # type: ignore[call-arg]
