"""`map` tells of each input what became of it, and leaving it waits for nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mls import AsyncClient, Client, PredictionFailed, ServiceUnreachable, StillRunning, errors
from mls._calls import Retry
from tests.clients.local_server import LocalExchange, prediction, serving

CLIENT = Path(__file__).parents[2] / "clients/python"
KEY = "mls_test"


def answer_by_text(exchange: LocalExchange) -> None:
    """As the text says; an answer that never comes is waited for as `Prefer` says."""
    if not exchange.body:  # the client went while it was sending
        exchange.close_connection = True
        return
    match json.loads(exchange.body)["text"]:
        case "fails":
            error = {"code": "model_error", "message": "It broke."}
            exchange.send(200, json.dumps(prediction("failed") | {"error": error}).encode())
        case "wrong":
            exchange.send(422, b'{"code": "invalid_input", "detail": "Too long."}')
        case "poor":
            exchange.send(402, b'{"code": "insufficient_credits", "detail": "No.", "balance": 0, "cost": 1}')
        case "lost":
            exchange.served.is_over.wait(60)
            exchange.close_connection = True
        case "never":
            exchange.served.is_over.wait(int(exchange.headers.get("Prefer", "wait=0").removeprefix("wait=")))
            exchange.send(202, json.dumps(prediction()).encode())
        case _:
            exchange.send(200, json.dumps(prediction("succeeded")).encode())


INPUTS = ["good", "never", "lost", "fails", "wrong", "good too"]
KINDS = [type(None), StillRunning, ServiceUnreachable, PredictionFailed, errors.InvalidInput, type(None)]


@pytest.mark.timeout(60)
async def test_each_input_has_an_answer_or_its_own_error() -> None:
    with serving(answer_by_text) as served:
        with Client(served.url, api_key=KEY) as client:
            found = list(client.map(INPUTS, timeout_s=1))
        async with AsyncClient(served.url, api_key=KEY) as client_of_tasks:
            found_too = [one async for one in client_of_tasks.map(INPUTS, timeout_s=1)]
    for answers in (found, found_too):
        assert [one.input for one in answers] == INPUTS
        assert [type(one.error) for one in answers] == KINDS
        assert [one.is_success for one in answers] == [kind is type(None) for kind in KINDS]
        assert [one.prediction is None for one in answers] == [False, False, True, False, True, False]
        for one in answers:
            if one.error is not None:
                with pytest.raises(type(one.error)):
                    one.result()
        assert answers[0].result() == {"text": "hello"}


async def test_a_service_that_cannot_be_reached_ends_a_map() -> None:
    with Client("http://127.0.0.1:9", api_key=KEY, retry=Retry(tries=1)) as client, pytest.raises(ServiceUnreachable):
        list(client.map(INPUTS))
    async with AsyncClient("http://127.0.0.1:9", api_key=KEY, retry=Retry(tries=1)) as client_of_tasks:
        with pytest.raises(ServiceUnreachable):
            _ = [one async for one in client_of_tasks.map(INPUTS)]


@pytest.mark.timeout(60)
async def test_leaving_a_map_waits_for_nothing() -> None:
    """The answers would take ten minutes, for which the test does not wait."""
    with serving(answer_by_text) as served:
        with Client(served.url, api_key=KEY) as client:
            for answer in client.map(["good", *["never"] * 20], concurrency=4):
                assert answer.is_success
                break
            with pytest.raises(errors.InsufficientCredits):
                list(client.map(["poor", "never"]))
            served.is_over.set()  # what waits is answered: it is still open
            for thread in mapping_threads():
                thread.join(30)
            assert not mapping_threads()
        served.is_over.clear()
        async with AsyncClient(served.url, api_key=KEY) as client_of_tasks:
            answers = client_of_tasks.map(["good", *["never"] * 20], concurrency=4)
            assert (await anext(answers)).is_success
            await answers.aclose()
            with pytest.raises(errors.InsufficientCredits):
                _ = [one async for one in client_of_tasks.map(["poor", "never"])]


def mapping_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "mls map"]


@pytest.mark.timeout(60)
def test_a_program_that_has_left_a_map_ends() -> None:
    program = f"""
import sys
sys.path.insert(0, {str(CLIENT)!r})
from mls import Client
client = Client(sys.argv[1], api_key="mls_test")
for answer in client.map(["good", "never"]):
    break
"""
    with serving(answer_by_text) as served:
        subprocess.run([sys.executable, "-c", program, served.url], timeout=25, check=True)


async def test_a_map_without_concurrency_is_refused() -> None:
    with Client("http://127.0.0.1:9", api_key=KEY) as client, pytest.raises(ValueError, match="concurrency"):
        list(client.map(["a"], concurrency=0))
    async with AsyncClient("http://127.0.0.1:9", api_key=KEY) as client_of_tasks:
        with pytest.raises(ValueError, match="concurrency"):
            _ = [one async for one in client_of_tasks.map(["a"], concurrency=0)]
