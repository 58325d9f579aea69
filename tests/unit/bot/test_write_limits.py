"""The bot keeps Telegram's limits by itself: simulated seconds, no waiting."""

from __future__ import annotations

import asyncio
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_service.platform.settings.bot import BotSettings
from services.bot.write_limits import ALL_BURST, CHAT_BURST, PAUSE_S, Bucket, ChatClosed, Pace


def times(bucket: Bucket, asks: list[float]) -> list[float]:
    """When each of these asks goes, one after the other."""
    gone, free_at = list[float](), 0.0
    for ask in asks:
        now = max(ask, free_at)
        while (wait_s := bucket.wait_s(now)) > 0:
            now = max(now + wait_s, math.nextafter(now, math.inf))
        bucket.take(now)
        gone.append(now)
        free_at = now
    return gone


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
    assert times(bucket, [100.0] * 4) == [100.0, 100.0, 100.0, 101.0]


async def test_a_stalled_process_does_not_catch_up_all_at_once() -> None:
    pace, gone = Pace(25), list[float]()

    async def speak(chat: int) -> None:
        async with pace.turn(chat):
            gone.append(asyncio.get_running_loop().time())

    waiting = asyncio.gather(*(speak(chat) for chat in range(40)))
    await asyncio.sleep(0.1)
    time.sleep(0.5)  # noqa: ASYNC251 - the stall
    await waiting
    assert max(sum(at <= other < at + 1 for other in gone) for at in gone) <= 30


async def test_a_chat_speaks_in_the_order_of_the_asks() -> None:
    pace, said = Pace(1000), list[int]()

    async def speak(number: int) -> None:
        async with pace.turn(7):
            said.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(speak(number) for number in range(3)))
    assert said == [0, 1, 2]


async def test_a_refused_chat_waits_for_itself_only() -> None:
    pace = Pace(1000)
    for chat in range(1, 40):
        pace.refused(chat, 60)
    assert pace.closed_s(1) > 59
    assert pace.closed_s(40) == 0
    with pytest.raises(ChatClosed):
        async with pace.turn(1):
            raise AssertionError
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(30), pace.turn(40):
        assert loop.time() - began >= PAUSE_S * 0.9  # a pause that does not add up


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), max_size=60))
def test_pauses_cost_others_no_more_than_the_longest_of_them(pauses: list[tuple[float, float]]) -> None:
    bucket = Bucket(1 / 25, ALL_BURST)
    for now, _ in sorted(pauses):
        bucket.pause(now, PAUSE_S)
    assert bucket.wait_s(60.0) <= PAUSE_S + 1 / 25


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
    assert BotSettings(telegram_token=given).bot_token == token
