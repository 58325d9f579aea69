"""What is no answer of the service becomes an error of the client, which says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest

from mls import AsyncClient, Client
from mls.errors import ApiError, UnexpectedAnswer, error_of
from tests.clients.local_server import PREDICTION_ID, LocalExchange, prediction, serving

PAGE = b"<html><body>Sign in to the network of this hotel</body></html>"
CALLS: dict[str, Callable[[Client], Any]] = {
    "get": lambda client: client.get(PREDICTION_ID),
    "predict": lambda client: client.predict("hello"),
    "stream": lambda client: list(client.stream(PREDICTION_ID)),
    "bulk": lambda client: client.submit_bulk(["one"]),
    "results": lambda client: list(client.bulk_results(PREDICTION_ID)),
    "table": lambda client: list(client.bulk_csv(PREDICTION_ID)),
    "history": lambda client: list(client.predictions()),
}


def redirect(exchange: LocalExchange) -> None:
    """As nginx does for http://."""
    location = "https://ml.example.com" + exchange.path
    exchange.send(308, b"<html><h1>308 Permanent Redirect</h1></html>", "text/html", Location=location)


def show_a_page(exchange: LocalExchange) -> None:
    exchange.send(200, PAGE, "text/html")


@pytest.mark.parametrize("name", CALLS)
def test_a_redirect_is_not_followed_and_its_address_is_named(name: str) -> None:
    with serving(redirect) as served, Client(served.url, api_key="mls_test") as client:
        with pytest.raises(UnexpectedAnswer, match=r"use https://ml\.example\.com as") as found:
            CALLS[name](client)
        assert (found.value.status, found.value.members["media_type"]) == (308, "text/html")
        assert len(served.requests) == 1, "it is not tried again"


@pytest.mark.parametrize("name", CALLS)
def test_a_page_instead_of_an_answer_is_said_to_be_one(name: str) -> None:
    with serving(show_a_page) as served, Client(served.url, api_key="mls_test") as client:
        with pytest.raises(UnexpectedAnswer, match="of an ML Service") as found:
            CALLS[name](client)
        assert (found.value.status, len(served.requests)) == (200, 1)


@pytest.mark.parametrize("answer", [redirect, show_a_page])
async def test_the_same_holds_for_a_sign_in_and_for_asyncio(answer: Callable[[LocalExchange], None]) -> None:
    with serving(answer) as served:
        with Client(served.url, username="anna", password="b") as client, pytest.raises(UnexpectedAnswer):
            client.balance()
        async with AsyncClient(served.url, username="anna", password="b") as client_of_tasks:
            with pytest.raises(UnexpectedAnswer):
                await client_of_tasks.balance()
        async with AsyncClient(served.url, api_key="mls_test") as client_of_tasks:
            with pytest.raises(UnexpectedAnswer):
                await client_of_tasks.balance()
            with pytest.raises(UnexpectedAnswer):
                await client_of_tasks.wait(PREDICTION_ID)
            with pytest.raises(UnexpectedAnswer):
                _ = [one async for one in client_of_tasks.bulk_results(PREDICTION_ID)]


def test_json_of_something_else_is_no_answer_either() -> None:
    with (
        serving(lambda exchange: exchange.send(200, b'{"status": "ok"}')) as served,
        Client(served.url, api_key="mls_test") as client,
        pytest.raises(UnexpectedAnswer, match="no Balance of an ML Service"),
    ):
        client.balance()


@pytest.mark.parametrize("location", ["/other", "//[", "https://ml.example.com:99999999/"])
def test_an_odd_location_is_no_second_error(location: str) -> None:
    request = httpx2.Request("GET", "http://ml.example.com/balance")
    error = error_of(httpx2.Response(302, headers={"Location": location}, request=request))
    assert isinstance(error, UnexpectedAnswer)
    assert isinstance(error_of(httpx2.Response(304, request=request)), ApiError)


@pytest.mark.parametrize("data", ["{", "[]", "7", '{"id": 1}'])
@pytest.mark.parametrize("kind", ["status", "queue"])
def test_an_event_of_something_else_is_said_to_be_one(kind: str, data: str) -> None:
    def answer(exchange: LocalExchange) -> None:
        first = f"event: status\ndata: {json.dumps(prediction())}\n\n" if kind == "queue" else ""
        exchange.send(200, f"{first}event: {kind}\ndata: {data}\n\n".encode(), "text/event-stream")

    with serving(answer) as served, Client(served.url, api_key="mls_test") as client:
        with pytest.raises(UnexpectedAnswer, match="no event of an ML Service"):
            list(client.stream(PREDICTION_ID))
        assert len(served.requests) == 1, "it is not tried again"


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?b", "#", "a b", "ё"])
def test_an_id_is_one_part_of_a_path_whatever_is_in_it(name: str) -> None:
    paths: list[str] = []

    def answer(exchange: LocalExchange) -> None:
        paths.append(exchange.path)
        exchange.send(404, b"{}", "application/json")

    with serving(answer) as served, Client(served.url, api_key="mls_test") as client:
        calls: list[Callable[[str], object]] = [client.get, client.cancel, client.get_bulk, client.model]
        for call in calls:
            with pytest.raises(ApiError):
                call(name)
    assert len(paths) == 4
    for path, parts in zip(paths, (2, 3, 2, 2), strict=True):
        assert len(path.removeprefix("/api/v1").strip("/").split("/")) == parts, path
        assert name in [unquote(part) for part in path.split("/")]
