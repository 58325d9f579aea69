"""Requests of every shape for the fuzzer: heads, forms, JSON, encodings, framing; well-formed, nasty, mangled."""

from __future__ import annotations

from hypothesis import strategies as st

SMUGGLED = b"smuggled"
INNER = b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Request-ID: " + SMUGGLED + b"\r\n\r\n"
PATHS = [
    b"/token",
    b"/users",
    b"/predictions/predict",
    b"/predictions/batch",
    b"/health/live",
    b"/models",
    b"/models/%00",
    b"/docs",
    b"/web/..%2fmain.py",
    b"/metrics",
    b"/openapi.json",
    b"/predictions?cursor=%ff",
    b"//",
    b"*",
    b"http://a/models",
    b"/a" * 3000,
    b"/" + b"%41" * 2000,
    b"/?" + b"&" * 5000,
]
MEDIA_TYPES = [
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"application/x-www-form-urlencoded; charset=utf-16",
    b"multipart/form-data; boundary=x",
    b"text/plain",
    b"application/json; charset=punycode",
    b"",
]
HEADERS = [
    b"Connection: Upgrade\r\nUpgrade: h2c",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AA",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Content-Length, Transfer-Encoding",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"TE: trailers",
    b"Trailer: Authorization",
    b"Content-Encoding: gzip",
    b"Content-Encoding: identity",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding : chunked",
    b"Content-Length: 5",
    b"Content-Length: 0",
    b"Content-Length: +5",
    b"Content-Length: 99999999999999999999",
    b"Host: b",
    b"X-Forwarded-For: " + b"127.0.0.1," * 300,
    b"Authorization: Bearer " + b"a." * 2000,
    b"Authorization: Bearer a\r\nAuthorization: Bearer b",
    b"Prefer: wait" + b" " * 3000,
    b"Prefer: wait=0",
    b"Idempotency-Key: a\r\nIdempotency-Key: b",
    b"X-A: " + b"\xff" * 1000,
    b"X-A: " + b"a" * 20_000,
    b"Cookie: " + b"a=b;" * 3000,
    b"\r\n".join(b"X-%d: a" % number for number in range(300)),
    b"Range: bytes=" + b"0-," * 2000,
    b"X-A: a\r\n b",
    b": a",
    b"X-A",
]
PIECES = [
    b"[",
    b"[]",
    b"{}",
    b"{},",
    b"[],",
    b'"",',
    b"1,",
    b'"\\',
    b'{"a":',
    b'"a":1,',
    b"&",
    b"a=&",
    b"%",
    b"%ff",
    b"+",
    b"1e-300,",
    b"9" * 99 + b",",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xff",
    b" ",
    b"username=",
    b"password=",
    b"--x\r\n",
    b"Content-Type: text/plain; charset=punycode\r\n\r\n",
    b'{"text":"a"}',
    b'{"items":[',
    b'{"text":"a"},',
    INNER,
]
BODY_BYTES_MAX = 300_000

bodies = st.just(INNER) | st.lists(st.tuples(st.sampled_from(PIECES), st.integers(1, 20_000)), max_size=4).map(
    lambda parts: b"".join((piece * count)[: BODY_BYTES_MAX // 4] for piece, count in parts)
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request: its framing is right, what else is in it need not be."""
    method = draw(st.sampled_from([b"GET", b"POST", b"DELETE", b"OPTIONS", b"BREW", b"CONNECT"]))
    version = draw(st.sampled_from([b"1.1"] * 8 + [b"1.0", b"2.0", b"0.9", b"1.10"]))
    lines = [method + b" " + draw(st.sampled_from(PATHS)) + b" HTTP/" + version]
    lines += [b"Host: a"] * draw(st.sampled_from([1] * 8 + [0, 2]))
    lines += draw(st.lists(st.sampled_from(HEADERS), max_size=2))
    body = draw(st.none() | bodies)
    if body is None:
        return b"\r\n".join([*lines, b"", b""])
    lines.append(b"Content-Type: " + draw(st.sampled_from(MEDIA_TYPES)))
    if draw(st.booleans()):
        return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])
    size = draw(st.sampled_from([1, 7, 1000, 100_000])) if len(body) < 2000 else 50_000
    extension = draw(st.sampled_from([b"", b";a=b", b";" + b"a" * 1000]))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
    trailers = draw(st.sampled_from([b"", b"Authorization: Bearer x\r\n", b"X-Request-ID: " + SMUGGLED + b"\r\n"]))
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", chunks + b"0\r\n" + trailers + b"\r\n"])


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A request of which some bytes are wrong, missing, or too many."""
    stream = bytearray(draw(requests()))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, min(len(stream) - 1, 400))))
        stream[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(stream)
