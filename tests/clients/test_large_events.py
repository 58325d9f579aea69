"""A prediction with the largest output that a model may be allowed is read by its events, too."""

from __future__ import annotations

import json

import pytest

from ml_service.runtime.host.declarations import OUTPUT_BYTES_MAX
from mls import AsyncClient, Client
from mls._calls import Retry
from tests.clients.local_server import PREDICTION_ID, LocalExchange, prediction, serving

OUTPUT = {"text": "y" * (OUTPUT_BYTES_MAX - len('{"text": ""}'))}
ONCE = Retry(tries=1)


def tell_the_end(exchange: LocalExchange) -> None:
    exchange.begin_events()
    ended = json.dumps(prediction("succeeded") | {"output": OUTPUT}).encode()
    exchange.send_piece(b"id: 1\nevent: status\ndata: " + ended + b"\n\n")
    exchange.wfile.write(b"0\r\n\r\n")


@pytest.mark.timeout(120)
async def test_the_largest_output_is_waited_for_and_streamed() -> None:
    with serving(tell_the_end) as served:
        with Client(served.url, api_key="mls_test", retry=ONCE) as client:
            assert client.wait(PREDICTION_ID).output == OUTPUT
            assert [update.prediction.output for update in client.stream(PREDICTION_ID)] == [OUTPUT]
        async with AsyncClient(served.url, api_key="mls_test", retry=ONCE) as client_of_tasks:
            assert (await client_of_tasks.wait(PREDICTION_ID)).output == OUTPUT
            assert [update.prediction.output async for update in client_of_tasks.stream(PREDICTION_ID)] == [OUTPUT]
