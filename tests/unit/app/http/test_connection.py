"""Requests as bytes: split, merged, oversized, out of order, and beside uvicorn's own protocol."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from services.app.http.connection_limits import HttpLimits
from tests.support.http_wire import ClientEnd, mirror, split, uvicorns
from tests.support.waiting import until

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = b"Host: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
TOKENS = st.text("abcXYZ019-_", min_size=1, max_size=8).map(str.encode)
VALUES = st.text("ab 9,;=/\"'\u00e9", max_size=20).map(lambda text: text.strip().encode("latin-1"))
TARGETS = st.sampled_from([b"/", b"/a/b", b"/a%20b?c=d", b"/%D1%8F?%00", b"//x", b"/a?b?c", b"http://a/b?c"])
OWN = {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"keep-alive", b"te"}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A well-formed request."""
    method = draw(st.sampled_from([b"GET", b"POST", b"PATCH", b"DELETE", b"OPTIONS"]))
    headers = [(b"Host", b"a.example:8000")]
    headers += draw(st.lists(st.tuples(TOKENS.map(lambda name: b"X-" + name), VALUES), max_size=4))
    body = draw(st.none() | st.binary(max_size=300))
    sent = b""
    if body is not None and draw(st.booleans()):
        headers.append((b"Content-Length", b"%d" % len(body)))
        sent = body
    elif body is not None:
        headers.append((b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"]))))
        extension = draw(st.sampled_from([b"", b";a=b"]))
        pieces = [piece for piece in split(body, draw(st.lists(st.integers(0, 300), max_size=3))) if piece]
        sent = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n\r\n"
    lines = [method + b" " + draw(TARGETS) + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
    return b"\r\n".join([*lines, b"", sent])


@settings(max_examples=150)
@given(st.lists(requests(), min_size=1, max_size=4), st.lists(st.integers(0, 2000), max_size=8))
def test_well_formed_requests_are_read_as_uvicorn_reads_them(sent: list[bytes], places: list[int]) -> None:
    async def both() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        ours, theirs = ClientEnd(), ClientEnd(make=uvicorns)
        await ours.send(*split(b"".join(sent), places))
        await theirs.send(*split(b"".join(sent), places))
        asked = ours.asked, theirs.asked
        ours.lose()
        theirs.lose()
        return asked

    ours, theirs = asyncio.run(both())
    assert len(ours) == len(sent)
    assert ours == theirs


@settings(max_examples=300)
@given(st.lists(requests() | st.binary(max_size=60), max_size=4), st.lists(st.integers(0, 2000), max_size=8), st.data())
def test_whatever_is_sent_the_answers_are_http_and_in_order(
    sent: list[bytes], places: list[int], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(sent))
    for _ in range(data.draw(st.integers(0, 3))):
        if stream:
            stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))

    async def run() -> list[int]:
        wire = await ClientEnd().send(*split(bytes(stream), places))
        statuses = wire.statuses
        wire.lose()
        return statuses

    statuses = asyncio.run(run())
    assert len(statuses) <= len(sent) + 1 + bytes(stream).count(b"HTTP/1.1")
    assert all(status == 200 for status in statuses[:-1]), "nothing follows a refusal"


REFUSED: list[tuple[str, bytes, int]] = [
    ("nonsense", b"nonsense\r\n\r\n", 400),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("two hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("a host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a host with a user", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    (
        "both lengths",
        CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("two lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 400),
    ("a negative length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("a length with a sign", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
    ("another encoding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    (
        "encodings twice",
        CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("chunks in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a chunk's size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ("a space before a colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("a folded header", b"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", 400),
    ("a bare CR", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    ("a NUL", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    ("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("HTTP/3.7", b"GET / HTTP/3.7\r\nHost: a\r\n\r\n", 400),
    ("bytes in the path", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("a long path", b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    ("a long header", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    ("many headers", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 300 + b"\r\n", 431),
    ("many long headers", b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * 60 + b"\r\n", 431),
]


@pytest.mark.parametrize(("sent", "status"), [pytest.param(sent, status, id=name) for name, sent, status in REFUSED])
async def test_what_is_not_proper_http_is_refused_as_a_problem(sent: bytes, status: int) -> None:
    for pieces in ([sent], [GET, sent], [GET + sent], split(sent, range(0, 3000, 7))):
        wire = await ClientEnd().send(*pieces)
        before = [200] if GET in b"".join(pieces) else []
        assert wire.statuses == [*before, status], pieces[:2]
        _, headers, body = wire.answers[-1]
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert headers["x-request-id"].encode() in body
        assert wire.transport.has_ended, "the next request would be read out of step"
        wire.lose()


async def test_what_is_refused_has_the_same_id_in_the_answer_and_in_the_log() -> None:
    with structlog.testing.capture_logs() as logged:
        wire = await ClientEnd().send(b"NONSENSE\r\n\r\n")
        [(_, headers, body)] = wire.answers
        wire.lose()
    ids = [one["request_id"] for one in logged if one["event"] == "request_refused"]
    assert ids == [json.loads(body)["request_id"]] == [headers["x-request-id"]]


async def test_who_is_refused_is_not_asked_to_go_on() -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    wire = await ClientEnd().send(CHUNKED + b"Expect: 100-continue\r\n\r\nzz\r\n")
    assert wire.statuses == [400]
    assert b"100 Continue" not in wire.transport.written
    wire.lose()
    assert errors == []


async def test_a_slow_reader_is_measured_by_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = ClientEnd(limits=HttpLimits(tick_s=0.01, write_check_s=0.02, write_bytes_min=1000))
    wire.transport.unsent = 100_000

    def taken() -> int:
        wire.transport.unsent -= 2_000
        return wire.transport.unsent

    monkeypatch.setattr(wire.transport, "get_write_buffer_size", taken)
    wire.protocol.pause_writing()  # type: ignore[attr-defined]
    wire.protocol.write(b"a" * 50_000)  # type: ignore[attr-defined]  # was under way when it paused
    wire.transport.unsent += 50_000
    await asyncio.sleep(0.15)
    assert not wire.transport.is_closed
    wire.lose()


UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: a, b\r\n",
]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_a_wish_for_another_protocol_changes_nothing(upgrade: bytes, step: int) -> None:
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    sent = (
        b"POST /one HTTP/1.1\r\n" + HOST + upgrade + b"Content-Length: %d\r\n\r\n" % len(inner) + inner
        + b"POST /two HTTP/1.1\r\n" + HOST + upgrade + b"Transfer-Encoding: chunked\r\n\r\n" + chunked
        + b"GET /three HTTP/1.1\r\n" + HOST + upgrade + b"\r\n"
        + GET
    )  # fmt: skip
    wire = await ClientEnd().send(*split(sent, range(0, len(sent), step)))
    assert [(one["path"], one["body"]) for one in wire.asked] == [
        ("/one", inner.decode()),
        ("/two", inner.decode()),
        ("/three", ""),
        ("/a", ""),
    ]
    wire.lose()


@pytest.mark.parametrize("before", [b"", b" ", b"\t", b"  \t "])
@pytest.mark.parametrize("behind", [b"", b" ", b"\t", b" \t  "])
async def test_blanks_around_a_value_are_none_of_it(before: bytes, behind: bytes) -> None:
    """RFC 9110, 5.5: proxies take them away, so that with them a key would be another one than behind a proxy."""
    wire = await ClientEnd().send(GET.replace(b"\r\n\r\n", b"\r\nX-Key:" + before + b"a b" + behind + b"\r\n\r\n"))
    assert wire.asked[0]["headers"][-1] == ["x-key", "a b"]
    wire.lose()


async def test_what_follows_a_body_is_no_header() -> None:
    sent = CHUNKED + b"\r\n1\r\na\r\n0\r\nAuthorization: b\r\nHost: c\r\n\r\n"
    for step in (1, 5, 1000):
        wire = await ClientEnd().send(*split(sent, range(0, len(sent), step)))
        assert wire.asked[0]["headers"] == [["host", "a"], ["transfer-encoding", "chunked"]]
        wire.lose()


ENDLESS: list[tuple[str, bytes, bytes]] = [
    ("header lines", b"GET / HTTP/1.1\r\n", b"X-A: " + b"a" * 100 + b"\r\n"),
    ("one header line", b"GET / HTTP/1.1\r\nX-A: ", b"a" * 1000),
    ("a header's name", b"GET / HTTP/1.1\r\n", b"a" * 1000),
    ("a path", b"GET /", b"a" * 1000),
    ("trailers", CHUNKED + b"\r\n0\r\n", b"X-A: " + b"a" * 100 + b"\r\n"),
    ("one trailer", CHUNKED + b"\r\n0\r\nX-A: ", b"a" * 1000),
    ("a chunk's extension", CHUNKED + b"\r\n1;a=", b"a" * 1000),
]


@pytest.mark.parametrize(("head", "more"), [pytest.param(head, more, id=name) for name, head, more in ENDLESS])
async def test_what_never_ends_is_refused_at_its_bound(head: bytes, more: bytes) -> None:
    limits = HttpLimits()
    wire = await ClientEnd(limits=limits).send(head)
    sent = 0
    while not wire.transport.has_ended and sent < 10 * limits.head_bytes_max:
        wire.protocol.data_received(more)
        sent += len(more)
    assert wire.transport.has_ended
    assert sent <= limits.head_bytes_max + 2 * len(more)
    assert wire.statuses == [431]
    wire.lose()


async def test_a_body_waits_for_the_app() -> None:
    async def idle(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(60)

    wire = await ClientEnd(idle).send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    taken = 0
    while wire.transport.is_reading:
        wire.protocol.data_received(b"a" * 10_000)
        taken += 10_000
    assert taken <= HttpLimits().body_buffered_max + 10_000
    wire.lose()


async def test_requests_in_a_row_are_bounded() -> None:
    async def idle(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(60)

    wire = await ClientEnd(idle).send(GET * 1000)
    assert len(wire.state.tasks) == 1
    assert len(wire.protocol._next) == HttpLimits().pipelined_max + 1  # type: ignore[attr-defined]  # and the refusal
    wire.lose()
    many = await ClientEnd().send(*[GET] * 100)
    assert many.statuses == [200] * 100
    many.lose()
    eager = await ClientEnd().send(GET * 100)
    assert eager.statuses == [200] * (HttpLimits().pipelined_max + 1) + [429]  # read what was said, and ask again
    assert eager.transport.written.count(b"in a row on one connection") == 1
    eager.lose()


async def test_a_refusal_waits_for_the_answers_before_it() -> None:
    go = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await mirror(scope, receive, send)

    wire = await ClientEnd(slow).send(GET + b"nonsense\r\n\r\n")
    assert wire.transport.written == b""
    go.set()
    await wire.send(b"")
    assert wire.statuses == [200, 400]
    wire.lose()


async def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    limits = HttpLimits(head_s=0.05, tick_s=0.01, idle_s=60, linger_silence_s=0.05)
    silent = ClientEnd(limits=limits)
    half = await ClientEnd(limits=limits).send(b"GET / HTTP/1.1\r\nHost:")
    answered = await ClientEnd(limits=limits).send(GET)
    await asyncio.sleep(0.12)
    assert (silent.transport.is_closed, silent.transport.written) == (True, b"")
    assert half.statuses == [408]
    assert not answered.transport.is_closed
    await answered.send(b"GET")
    await asyncio.sleep(0.12)
    assert answered.statuses == [200, 408]
    for wire in (silent, half, answered):
        wire.lose()


async def test_a_reader_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = HttpLimits(write_check_s=0.05, tick_s=0.01, write_bytes_min=10)
    taking, stuck = ClientEnd(limits=limits), ClientEnd(limits=limits)

    def taken() -> int:
        taking.transport.unsent -= 30
        return taking.transport.unsent

    monkeypatch.setattr(taking.transport, "get_write_buffer_size", taken)
    for wire in (taking, stuck):
        wire.transport.unsent = 1000
        wire.protocol.pause_writing()  # type: ignore[attr-defined]
    await until(lambda: stuck.transport.is_closed and taking.transport.unsent < 900)  # looked at three times, at least
    assert not taking.transport.is_closed
    for wire in (taking, stuck):
        wire.lose()


async def stream(_scope: Any, _receive: Any, send: Any) -> None:
    """An app that answers in pieces, of a length it does not say."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"a", b"", b"bc"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def test_answers_in_pieces_are_chunked_only_for_who_knows_chunks() -> None:
    new = await ClientEnd(stream).send(GET)
    assert new.answers[0][1]["transfer-encoding"] == "chunked"
    assert new.answers[0][2] == b"abc"
    old = await ClientEnd(stream).send(b"GET / HTTP/1.0\r\n\r\n")
    assert "transfer-encoding" not in old.answers[0][1]
    assert old.answers[0][1]["connection"] == "close"
    assert old.transport.written.endswith(b"\r\n\r\nabc")
    assert old.transport.is_closed
    head = await ClientEnd(stream).send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert head.transport.written.endswith(b"\r\n\r\n")
    assert not head.transport.is_closed


@pytest.mark.parametrize(
    "headers", [[(b"x", b"a\r\nb: c")], [(b"x\n", b"a")], [(b"x", b"a\0")], [(b"transfer-encoding", b"chunked")]]
)
async def test_no_header_of_the_app_begins_another_one(headers: list[tuple[bytes, bytes]]) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    wire = await ClientEnd(app).send(GET)
    assert wire.statuses == [500]
    wire.lose()


@pytest.mark.parametrize("body", [b"a", b"abc"])
async def test_an_answer_of_another_length_than_declared_ends_the_connection(body: bytes) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": body})

    wire = await ClientEnd(app).send(GET)
    assert wire.transport.is_closed
    assert not wire.transport.written.endswith(body)


async def test_one_answer_is_one_write() -> None:
    writes: list[bytes] = []
    wire = ClientEnd()
    write = wire.transport.write
    wire.transport.write = lambda data: (writes.append(bytes(data)), write(data))[1]  # type: ignore[method-assign]
    await wire.send(GET)
    assert len(writes) == 1
    wire.lose()
