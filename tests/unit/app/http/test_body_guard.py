"""A body within its limits reaches the app whole, however it arrives; what is beyond them never does."""

from __future__ import annotations

import pytest

from services.app.http.body_guard import BodyGuard
from services.app.http.edge import Answered, Edge
from tests.support.http_wire import ClientEnd, mirror, split

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
DEEP = b"[" * 30 + b"]" * 30


def guarded() -> ClientEnd:
    def nobody(_answered: Answered) -> None:
        pass

    return ClientEnd(Edge(BodyGuard(mirror, bytes_max=100, depth_max=20, values_max=50), nobody))


def post(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, *headers: bytes) -> bytes:
    return (
        HEAD
        + b"".join(headers)
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"%x\r\n%s\r\n" % (len(body), body) if body else b"")
        + b"0\r\n\r\n"
    )


CASES: list[tuple[str, bytes, int]] = [
    ("no body", HEAD + b"\r\n", 200),
    ("an empty body", post(b""), 200),
    ("a body", post(b'{"text": "a"}', JSON), 200),
    ("chunks", chunked(b'{"text": "a"}', JSON), 200),
    ("a body of the largest size", post(b"a" * 100), 200),
    ("a body that says it is too large", post(b"a" * 101), 413),
    ("chunks that are too large", chunked(b"a" * 101), 413),
    ("JSON too deep", post(DEEP, JSON), 400),
    ("the same as a form", post(DEEP, FORM), 200),
    ("JSON, or a form", post(DEEP, JSON, FORM), 400),
    ("a form, or JSON", post(DEEP, FORM, JSON), 400),
    ("a form, or anything else", post(b"a", FORM, b"Content-Type: text/plain\r\n"), 400),
    ("chunks of a form, or of anything else", chunked(b"a", FORM, b"Content-Type: text/plain\r\n"), 400),
    ("one content type twice", post(b"a", JSON, JSON), 400),
    ("an encoded body", post(b"a", b"Content-Encoding: gzip\r\n"), 415),
    ("a body encoded twice", post(b"a", b"Content-Encoding: identity\r\n", b"Content-Encoding: gzip\r\n"), 415),
    ("a body that is said not to be encoded", post(b"a", b"Content-Encoding: Identity\r\n"), 200),
]


@pytest.mark.parametrize(("sent", "status"), [pytest.param(sent, status, id=name) for name, sent, status in CASES])
async def test_a_body_is_treated_alike_at_once_and_in_pieces(sent: bytes, status: int) -> None:
    at_once = await guarded().send(sent)
    in_pieces = await guarded().send(*split(sent, range(0, 1000, 5)))
    assert at_once.statuses == in_pieces.statuses == [status]
    assert at_once.asked == in_pieces.asked


async def test_requests_in_a_row_get_their_own_bodies() -> None:
    wire = await guarded().send(post(b"first") + post(b"second") + chunked(b"third"))
    assert [asked["body"] for asked in wire.asked] == ["first", "second", "third"]


@pytest.mark.parametrize(("bytes_max", "timeout_s"), [(100, 20), (2_000_000, 20), (50_000_000, 500)])
def test_the_largest_body_may_take_as_long_as_the_slowest_line_needs(bytes_max: int, timeout_s: float) -> None:
    assert BodyGuard(mirror, bytes_max=bytes_max, depth_max=20, values_max=50).timeout_s == timeout_s
