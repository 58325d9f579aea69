"""A bulk job is sent from its beginning where the service no longer takes the token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mls import AsyncClient, Client, SourceConsumed
from mls.bulk import Source
from tests.clients.local_server import PREDICTION_ID, LocalExchange, Served, serving

LINES = b'{"input": {"text": "one"}}\n{"input": {"text": "two"}}\n'


def job() -> dict[str, Any]:
    """A bulk job as the service shows it."""
    counts = dict.fromkeys(("lines_invalid", "succeeded", "failed", "canceled", "charged"), 0)
    nothing = dict.fromkeys(("estimated_s", "error_code", "finished_at"))
    named = {"bulk_id": str(PREDICTION_ID), "status": "running", "model": "echo", "version": "1.0.0"}
    return counts | nothing | named | {"lines": 2, "cost_max": 2, "created_at": datetime.now(UTC).isoformat()}


def refuse_the_first_token(exchange: LocalExchange) -> None:
    """Give tokens, and take none but the second, as after a sign-out elsewhere."""
    given = len(exchange.served.bodies("/token"))
    if exchange.path == "/token":
        tokens = {"access_token": f"token-{given}", "refresh_token": f"refresh-{given}", "expires_in": 900}
        exchange.send(200, json.dumps(tokens).encode())
    elif exchange.headers["Authorization"] == "Bearer token-1":
        exchange.send(401, b'{"code": "unauthenticated", "detail": "Signed out."}')
    else:
        exchange.send(202, json.dumps(job()).encode())


def texts(_folder: Path) -> Source:
    return ["one", "two"]


def file(folder: Path) -> Source:
    path = folder / "lines.jsonl"
    path.write_bytes(LINES)
    return path


def signed_in(served: Served) -> dict[str, str]:
    return {"url": served.url, "username": "anna", "password": "b"}


@pytest.mark.parametrize("source", [texts, file])
async def test_what_can_be_read_again_is_sent_with_a_new_token(
    source: Callable[[Path], Source], tmp_path: Path
) -> None:
    with serving(refuse_the_first_token) as served, Client(**signed_in(served)) as client:
        assert str(client.submit_bulk(source(tmp_path)).bulk_id) == str(PREDICTION_ID)
        assert served.bodies("/bulk") == [LINES, LINES]
    with serving(refuse_the_first_token) as served:
        async with AsyncClient(**signed_in(served)) as client_of_tasks:
            assert (await client_of_tasks.submit_bulk(source(tmp_path))).lines == 2
        assert served.bodies("/bulk") == [LINES, LINES]


async def test_what_can_be_read_once_only_is_said_to_be_consumed() -> None:
    def inputs() -> Iterator[str]:
        yield from ("one", "two")

    with serving(refuse_the_first_token) as served, Client(**signed_in(served)) as client:
        with pytest.raises(SourceConsumed, match="give a list or a file"):
            client.submit_bulk(inputs())
        assert client.submit_bulk(inputs()).lines == 2, "the token is a new one"
    with serving(refuse_the_first_token) as served:
        async with AsyncClient(**signed_in(served)) as client_of_tasks:
            with pytest.raises(SourceConsumed):
                await client_of_tasks.submit_bulk(inputs())
            assert (await client_of_tasks.submit_bulk(inputs())).lines == 2
