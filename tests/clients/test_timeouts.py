"""The clients keep to the time that they are given, also where the service is silent."""

from __future__ import annotations

import json
import time

import pytest

from mls import AsyncClient, Client, StillRunning
from tests.clients.local_server import Exchange, Served, prediction, serving

KEY = "mls_test"


def waits_of(served: Served) -> list[str | None]:
    return [headers.get("Prefer") for _, _, headers, _ in served.requests]


def answer_as_asked(exchange: Exchange) -> None:
    """Wait as long as `Prefer` says, and then have no answer yet."""
    wait_s = int(exchange.headers.get("Prefer", "wait=0").removeprefix("wait="))
    exchange.served.is_over.wait(wait_s)
    exchange.send(202, json.dumps(prediction()).encode())


def answer_at_once(exchange: Exchange) -> None:
    exchange.send(202, json.dumps(prediction()).encode())


@pytest.mark.parametrize(("timeout_s", "waits"), [(0.0, [None]), (0.5, ["wait=1"]), (1.4, ["wait=2"])])
def test_a_short_wait_for_an_answer_is_one_request(timeout_s: float, waits: list[str | None]) -> None:
    with serving(answer_as_asked) as served, Client(served.url, api_key=KEY) as client:
        began = time.monotonic()
        with pytest.raises(StillRunning):
            client.predict("hello", timeout_s=timeout_s)
        assert time.monotonic() - began < timeout_s + 1.5
        assert waits_of(served) == waits


async def test_a_short_wait_for_an_answer_is_one_request_for_asyncio_too() -> None:
    with serving(answer_as_asked) as served:
        async with AsyncClient(served.url, api_key=KEY) as client:
            with pytest.raises(StillRunning):
                await client.predict("hello", timeout_s=0.5)
        assert waits_of(served) == ["wait=1"]


async def test_a_service_that_answers_too_early_is_asked_once_a_second() -> None:
    with serving(answer_at_once) as served:
        with Client(served.url, api_key=KEY) as client, pytest.raises(StillRunning):
            client.predict("hello", timeout_s=1.2)
        assert 2 <= len(served.requests) <= 3
        async with AsyncClient(served.url, api_key=KEY) as client_of_tasks:
            with pytest.raises(StillRunning):
                await client_of_tasks.predict("hello", timeout_s=1.2)
        assert 4 <= len(served.requests) <= 6
