"""An error tells what is known of a request that may have been accepted: a prediction's id, or an Idempotency-Key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mls import ApiError, AsyncClient, Client, ServiceUnreachable, errors
from mls._calls import Retry
from tests.clients.local_server import PREDICTION_ID, LocalExchange, Served, prediction, serving

KEY = "mls_test"
TWICE = Retry(tries=2, pause_s_min=0.01)
BAD_GATEWAY = b"<html>502 Bad Gateway</html>"
Answer = Callable[[LocalExchange], None]


def hang_up(exchange: LocalExchange) -> None:
    exchange.close_connection = True


def be_cut_off(exchange: LocalExchange) -> None:
    exchange.send(502, BAD_GATEWAY, "text/html")


def refuse(exchange: LocalExchange) -> None:
    exchange.send(402, b'{"code": "insufficient_credits", "detail": "No.", "balance": 0, "cost": 1}')


def slow_down(exchange: LocalExchange) -> None:
    exchange.send(429, b'{"code": "too_many_requests", "detail": "Wait."}')


def accepted_before(then: Answer) -> Answer:
    def answer(exchange: LocalExchange) -> None:
        if len(exchange.served.requests) > 1:
            then(exchange)
        else:
            exchange.send(202, json.dumps(prediction()).encode())

    return answer


def deny(exchange: LocalExchange) -> None:
    exchange.send(403, b'{"code": "blocked", "detail": "Blocked."}')


async def errors_of(
    answer: Answer, ask: Callable[[Any], Any], kind: type[ApiError | ServiceUnreachable]
) -> list[tuple[ApiError | ServiceUnreachable, Served]]:
    """What each of the two clients raises, and what it had sent."""
    raised: list[tuple[ApiError | ServiceUnreachable, Served]] = []
    with serving(answer) as served, Client(served.url, api_key=KEY, retry=TWICE) as client:
        with pytest.raises(kind) as error:
            ask(client)
        raised.append((error.value, served))
    with serving(answer) as served:
        async with AsyncClient(served.url, api_key=KEY, retry=TWICE) as client_of_tasks:
            asked: Awaitable[Any] = ask(client_of_tasks)
            with pytest.raises(kind) as error:
                await asked
        raised.append((error.value, served))
    return raised


@pytest.mark.parametrize(
    ("then", "kind"), [(hang_up, ServiceUnreachable), (be_cut_off, ApiError), (deny, errors.Blocked)]
)
async def test_an_error_after_the_prediction_was_accepted_has_its_id(
    then: Answer, kind: type[ApiError | ServiceUnreachable]
) -> None:
    for error, _ in await errors_of(accepted_before(then), lambda client: client.predict("hello", timeout_s=20), kind):
        assert (error.prediction_id, error.idempotency_key) == (PREDICTION_ID, None)
        assert str(error).endswith(f" The prediction {PREDICTION_ID} was accepted: wait for it.")


@pytest.mark.parametrize(("answer", "kind"), [(hang_up, ServiceUnreachable), (be_cut_off, ApiError)])
@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.predict("hello", timeout_s=20),
        lambda client: client.submit("hello", key="order-1042"),
        lambda client: client.submit_batch(["hello"]),
        lambda client: client.repeat(PREDICTION_ID),
        lambda client: client.submit_bulk(["hello"]),
    ],
)
async def test_an_error_of_a_request_that_may_have_been_accepted_has_its_key(
    answer: Answer, kind: type[ApiError | ServiceUnreachable], ask: Callable[[Any], Any]
) -> None:
    for error, served in await errors_of(answer, ask, kind):
        assert [headers["Idempotency-Key"] for _, _, headers, _ in served.requests] == [error.idempotency_key] * 2
        assert error.prediction_id is None
        assert str(error).endswith(f" If it was accepted, asking again with the key {error.idempotency_key} finds it.")


def lose_the_first_answer(exchange: LocalExchange) -> None:
    (slow_down if len(exchange.served.requests) > 1 else hang_up)(exchange)


async def test_a_lost_answer_counts_also_where_the_last_try_was_refused() -> None:
    raised = await errors_of(lose_the_first_answer, lambda client: client.submit("hello"), errors.TooManyRequests)
    assert all(error.idempotency_key for error, _ in raised)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refuse, errors.InsufficientCredits, "No. (402 insufficient_credits)"),
        (slow_down, errors.TooManyRequests, "Wait. (429 too_many_requests)"),
    ],
)
async def test_a_request_that_was_refused_has_nothing_to_go_on_with(
    answer: Answer, kind: type[ApiError], words: str
) -> None:
    for error, _ in await errors_of(answer, lambda client: client.predict("hello"), kind):
        assert (error.prediction_id, error.idempotency_key, str(error)) == (None, None, words)


def test_a_request_that_never_left_has_nothing_to_go_on_with() -> None:
    with Client("http://127.0.0.1:9", api_key=KEY, retry=TWICE) as client, pytest.raises(ServiceUnreachable) as error:
        client.predict("hello")
    assert (error.value.prediction_id, error.value.idempotency_key) == (None, None)
    assert "key" not in str(error.value)
