"""A stop answers what is being asked, also where its body is still on its way, and takes nothing more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.app.http.connection_limits import HttpLimits
from tests.support.http_wire import ClientEnd, mirror

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
SIZED = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_stop_lets_the_current_request_finish() -> None:
    go = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await mirror(scope, receive, send)

    busy, idle = await ClientEnd(slow).send(GET), await ClientEnd().send(GET)
    for wire in (busy, idle):
        wire.protocol.shutdown()  # type: ignore[attr-defined]  # uvicorn's own call
    assert (busy.transport.is_closed, idle.transport.is_closed) == (False, True)
    go.set()
    await busy.send(b"")
    assert busy.answers[0][1]["connection"] == "close"
    assert busy.transport.is_closed
    for wire in (busy, idle):
        wire.lose()


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (SIZED, [b"0123456789"]),
        (SIZED + b"01234", [b"5", b"6789"]),
        (CHUNKED, [b"5\r\n01234\r\n", b"5\r\n56789\r\n0\r\n", b"\r\n"]),
        (CHUNKED + b"5\r\n01", [b"234\r\n5\r\n56789\r\n0\r\nX-Trailer: a\r\n\r\n"]),
    ],
)
@pytest.mark.parametrize("after", [b"", GET, b"GET /a HT", b"nonsense\r\n\r\n"])
async def test_a_body_that_is_still_on_its_way_is_read_to_its_end(
    begun: bytes, rest: list[bytes], after: bytes
) -> None:
    wire = await ClientEnd().send(begun)
    wire.protocol.shutdown()  # type: ignore[attr-defined]  # uvicorn's own call
    assert not wire.transport.is_closed
    await wire.send(*rest[:-1], rest[-1] + after)
    assert [(one["body"], one["path"]) for one in wire.asked] == [("0123456789", "/")]
    assert (wire.statuses, wire.answers[0][1]["connection"]) == ([200], "close")
    assert wire.transport.is_closed
    wire.lose()


async def test_a_large_body_is_read_to_its_end_as_the_app_takes_it() -> None:
    size = HttpLimits().body_buffered_max * 3
    pieces = [b"a" * 10_000] * (size // 10_000)
    taken = 0

    async def streaming(_scope: Any, receive: Any, send: Any) -> None:
        nonlocal taken
        is_more = True
        while is_more:
            message = await receive()
            assert message["type"] == "http.request"
            taken += len(message["body"])
            is_more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % sum(map(len, pieces))
    wire = await ClientEnd(streaming).send(head + pieces[0])
    wire.protocol.shutdown()  # type: ignore[attr-defined]
    await wire.send(*pieces[1:])
    assert (wire.statuses, taken, wire.transport.is_closed) == ([200], sum(map(len, pieces)), True)
    wire.lose()


async def test_a_body_that_breaks_the_rules_after_a_stop_is_still_refused() -> None:
    wire = await ClientEnd().send(CHUNKED)
    wire.protocol.shutdown()  # type: ignore[attr-defined]
    await wire.send(b"no size\r\n")
    assert wire.statuses == [400]
    wire.lose()


async def test_a_request_behind_the_one_that_is_answered_is_not_begun_after_a_stop() -> None:
    asked, go = [], asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await go.wait()
        await mirror(scope, receive, send)

    wire = await ClientEnd(slow).send(GET + SIZED)
    wire.protocol.shutdown()  # type: ignore[attr-defined]
    go.set()
    wire.protocol.data_received(b"0123456789")
    await wire.send()
    assert (asked, wire.statuses, wire.transport.is_closed) == (["/a"], [200], True)
    wire.lose()
