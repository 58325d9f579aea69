"""The clients keep to the time that they are given, also where the service is silent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import httpx2
import pytest

from mls import AsyncClient, Client, Prediction, ServiceUnreachable, StillRunning, errors
from mls._calls import ACCEPT_LATE_S, AnswerWait, Options, Retry, predict
from tests.clients.local_server import PREDICTION_ID, LocalExchange, prediction, serving

KEY = "mls_test"


class Clock:
    """The time of `AnswerWait` in tests, which passes without being waited for."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mls._calls.time", clock)
    return clock


def ask(clock: Clock, timeout_s: float, accept_s: float) -> tuple[type[Exception], list[str | None]]:
    """How a `predict` ends that has no answer, and what it asked; accepting it takes ``accept_s`` each time."""
    wait, waits = AnswerWait(predict("hello", None, Options(), None), timeout_s, Retry()), []
    while True:
        sent = wait.next()
        waits.append(sent.headers.get("Prefer"))
        answer_s = accept_s + float((waits[-1] or "wait=0").removeprefix("wait="))
        clock.now_s += min(answer_s, sent.read_s)
        came = Prediction.model_validate(prediction()) if answer_s <= sent.read_s else httpx2.ReadTimeout("")
        try:
            clock.now_s += wait.pause_s(came)
        except (StillRunning, ServiceUnreachable) as error:
            return type(error), waits


@pytest.mark.parametrize(
    ("timeout_s", "waits"),
    [
        (0.0, [None]),
        (0.5, [None, None]),
        (1.6, [None, "wait=2"]),
        (1.4, [None, "wait=1", None]),
        (3.0, ["wait=2", "wait=1"]),
        (120.0, ["wait=30"] * 4),
    ],
)
def test_a_wait_for_an_answer_is_few_requests(clock: Clock, timeout_s: float, waits: list[str | None]) -> None:
    assert ask(clock, timeout_s, 0.0) == (StillRunning, waits)
    assert clock.now_s <= timeout_s + 1


@pytest.mark.parametrize("timeout_s", [0.0, 0.5, 1.0, 1.6, 2.0, 3.0, 5.5, 30.0, 31.5, 120.0])
@pytest.mark.parametrize("accept_s", [0.1, 0.6, 0.95, 1.4, 2.5, 5.0])
def test_what_was_accepted_late_is_known(clock: Clock, timeout_s: float, accept_s: float) -> None:
    assert ask(clock, timeout_s, accept_s)[0] is StillRunning
    assert clock.now_s <= max(timeout_s + 1, timeout_s + accept_s)


async def test_the_first_request_of_a_short_wait_only_asks_for_the_prediction() -> None:
    with serving(answer_at_once) as served:
        with Client(served.url, api_key=KEY) as client, pytest.raises(StillRunning):
            client.predict("hello", timeout_s=0)
        async with AsyncClient(served.url, api_key=KEY) as client_of_tasks:
            with pytest.raises(StillRunning):
                await client_of_tasks.predict("hello", timeout_s=0)
        assert [headers.get("Prefer") for _, _, headers, _ in served.requests] == [None, None]


def answer_at_once(exchange: LocalExchange) -> None:
    exchange.send(202, json.dumps(prediction()).encode())


async def test_a_service_that_answers_too_early_is_asked_once_a_second() -> None:
    with serving(answer_at_once) as served:
        with Client(served.url, api_key=KEY) as client, pytest.raises(StillRunning):
            client.predict("hello", timeout_s=1.2)
        assert len(served.requests) <= 3
        async with AsyncClient(served.url, api_key=KEY) as client_of_tasks:
            with pytest.raises(StillRunning):
                await client_of_tasks.predict("hello", timeout_s=1.2)
        assert len(served.requests) <= 6


def tell_and_beat(exchange: LocalExchange) -> None:
    """Tell the state at once, and then that the connection is alive, as the service does, but more often."""
    exchange.begin_events()
    exchange.send_piece(b"id: 1\nevent: status\ndata: " + json.dumps(prediction()).encode() + b"\n\n")
    beat(exchange)


def only_beat(exchange: LocalExchange) -> None:
    exchange.begin_events()
    beat(exchange)


def beat(exchange: LocalExchange) -> None:
    while not exchange.served.is_over.wait(0.2):
        exchange.send_piece(b": still here\n\n")


def be_silent(exchange: LocalExchange) -> None:
    exchange.served.is_over.wait(60)
    exchange.close_connection = True


def tell_and_be_silent(exchange: LocalExchange) -> None:
    exchange.begin_events()
    exchange.send_piece(b"id: 1\nevent: status\ndata: " + json.dumps(prediction()).encode() + b"\n\n")
    be_silent(exchange)


def be_away(exchange: LocalExchange) -> None:
    exchange.send(503, b'{"code": "unavailable", "detail": "Away."}', **{"Retry-After": "30"})


ENDINGS = pytest.mark.parametrize(
    ("answer", "error"),
    [
        (tell_and_beat, StillRunning),
        (tell_and_be_silent, StillRunning),
        (only_beat, ServiceUnreachable),
        (be_silent, ServiceUnreachable),
        (be_away, errors.Unavailable),
    ],
)
GIVEN_S = 1.3


@pytest.mark.timeout(60)
@ENDINGS
def test_a_wait_ends_with_its_time(answer: Callable[[LocalExchange], None], error: type[Exception]) -> None:
    with serving(answer) as served, Client(served.url, api_key=KEY) as client:
        began = time.monotonic()
        with pytest.raises(error):
            client.wait(PREDICTION_ID, timeout_s=GIVEN_S)
        assert time.monotonic() - began < GIVEN_S + 10
    assert not [one for one in threading.enumerate() if isinstance(one, threading.Timer)], "none waits for the time"


@pytest.mark.timeout(60)
@ENDINGS
async def test_a_wait_ends_with_its_time_for_asyncio_too(
    answer: Callable[[LocalExchange], None], error: type[Exception]
) -> None:
    with serving(answer) as served:
        async with AsyncClient(served.url, api_key=KEY) as client:
            began = time.monotonic()
            with pytest.raises(error):
                await client.wait(PREDICTION_ID, timeout_s=GIVEN_S)
            assert time.monotonic() - began < GIVEN_S + 10


def accept_once(then: Callable[[LocalExchange], None]) -> Callable[[LocalExchange], None]:
    def answer(exchange: LocalExchange) -> None:
        (then if len(exchange.served.requests) > 1 else answer_at_once)(exchange)

    return answer


ANSWER_ENDINGS = pytest.mark.parametrize(
    ("answer", "error"),
    [
        (be_silent, ServiceUnreachable),
        (be_away, errors.Unavailable),
        (accept_once(be_silent), StillRunning),
        (accept_once(be_away), StillRunning),
    ],
)


@pytest.mark.timeout(60)
@ANSWER_ENDINGS
def test_a_wait_for_an_answer_ends_with_its_time(
    answer: Callable[[LocalExchange], None], error: type[Exception]
) -> None:
    with serving(answer) as served, Client(served.url, api_key=KEY) as client:
        began = time.monotonic()
        with pytest.raises(error):
            client.predict("hello", timeout_s=GIVEN_S)
        assert time.monotonic() - began < GIVEN_S + ACCEPT_LATE_S + 10


@pytest.mark.timeout(60)
@ANSWER_ENDINGS
async def test_a_wait_for_an_answer_ends_with_its_time_for_asyncio_too(
    answer: Callable[[LocalExchange], None], error: type[Exception]
) -> None:
    with serving(answer) as served:
        async with AsyncClient(served.url, api_key=KEY) as client:
            began = time.monotonic()
            with pytest.raises(error):
                await client.predict("hello", timeout_s=GIVEN_S)
            assert time.monotonic() - began < GIVEN_S + ACCEPT_LATE_S + 10


@pytest.mark.timeout(60)
async def test_a_wait_ends_with_its_time_where_no_token_comes() -> None:
    with serving(be_silent) as served:
        with (
            Client(served.url, username="anna", password="b", retry=Retry(tries=1)) as client,
            pytest.raises(ServiceUnreachable),
        ):
            client.wait(PREDICTION_ID, timeout_s=GIVEN_S)
        async with AsyncClient(served.url, username="anna", password="b") as client_of_tasks:
            with pytest.raises(ServiceUnreachable):
                await client_of_tasks.wait(PREDICTION_ID, timeout_s=GIVEN_S)


def test_no_time_at_all_still_tells_how_the_prediction_is() -> None:
    with serving(tell_and_beat) as served, Client(served.url, api_key=KEY) as client:
        with pytest.raises(StillRunning) as late:
            client.wait(PREDICTION_ID, timeout_s=0)
        assert late.value.prediction.id == PREDICTION_ID


def test_a_stream_that_is_read_slowly_ends_with_its_time_too() -> None:
    with serving(tell_and_beat) as served, Client(served.url, api_key=KEY) as client:
        updates = client.stream(PREDICTION_ID, timeout_s=GIVEN_S)
        assert next(updates).prediction.is_open
        time.sleep(GIVEN_S + 0.2)
        with pytest.raises(StillRunning):
            next(updates)
