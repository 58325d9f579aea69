"""No request of any shape holds the loop, on which all others are served, for more than 50 ms."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from tests.support.app_process import Process, started
from tests.support.beating import Beats
from tests.support.service import ECHO, TEXT_SCHEMA

HOLD_S_MAX = 0.05
LISTS = {
    "numbers": {"items": {"type": "number"}},
    "choices": {"items": {"anyOf": [{"required": ["a", "b", "c"]}, {"required": ["d", "e", "f"]}]}},
}
OF_LISTS = replace(ECHO, input_schema={**TEXT_SCHEMA, "properties": {**TEXT_SCHEMA["properties"], **LISTS}})
MEGABYTE = 1_000_000
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def multipart(charset: str, value: bytes) -> tuple[str, bytes]:
    head = (
        f'--x\r\nContent-Disposition: form-data; name="username"\r\nContent-Type: text/plain; charset={charset}\r\n\r\n'
    )
    return "multipart/form-data; boundary=x", head.encode() + value + b"\r\n--x--\r\n"


def shapes() -> Iterator[tuple[str, str, bytes]]:
    """Content types and bodies that cost a careless parser much."""
    for charset in ("punycode", "idna", "utf-7", "unicode_escape", "base64", "bz2", "zlib", "rot13", "undefined"):
        for value in (b"a-" + b"9" * MEGABYTE, b"xn--" * 200_000, b"+AAA-" * 200_000, b"\\N{SPACE}" * 100_000):
            yield f"multipart in {charset}", *multipart(charset, value)
    yield (
        "many parts",
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 40_000,
    )
    yield "many headers in a part", "multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 300_000
    yield "a charset of the client's choice", f"{FORM}; charset=punycode", b"username=" + b"9" * 16_000
    for body in (b"&", b"a=&", b"%", b"%41", b"+", b"[", b";", b"a=1&a=1&"):
        yield "a form", FORM, body * (2 * MEGABYTE // len(body))
        yield "a small form", FORM, body * (16_000 // len(body))
    pieces = [
        b"[",
        b"[]",
        b"{}",
        b"[],",
        b"{},",
        b'"",',
        b"1,",
        b"1.5,",
        b'"\\',
        b'{"a":',
        b'"a":1,',
        b"[" * 30 + b"]" * 30 + b",",
    ]
    pieces += [
        b"1e-300,",
        b"9" * 99 + b",",
        b"1." + b"3" * 1000 + b",",
        b"\\ud83d\\ude00",
        b" ",
        b'"',
        b"\\u0000",
        b"true,",
    ]
    for piece in pieces:
        many = piece * (2 * MEGABYTE // len(piece) - 20)
        for opening, closing in (
            (b"", b""),
            (b"[", b"1]"),
            (b'{"text":"', b'"}'),
            (b'{"input":{"text":"a","n":[', b"1]}}"),
        ):
            yield f"JSON of {piece[:20]!r} in {opening!r}", JSON, opening + many + closing
    for name, wrong in (("numbers", b'"",'), ("choices", b"{},")):
        values = wrong * (60_000 // len(wrong))
        yield f"wrong {name}", JSON, b'{"input":{"text":"a","%s":[%s1]}}' % (name.encode(), values)
    names = b",".join(b'"%x":1' % number for number in range(150_000))
    yield "many names", JSON, b'{"input":{' + names + b"}}"
    yield "many items", JSON, json.dumps({"items": [{"text": "a"}] * 30_000}).encode()
    yield "a thousand items", JSON, json.dumps({"items": [{"text": "a" * 1800}] * 1000}).encode()
    yield "a long text", JSON, json.dumps({"text": "\u00e9" * 300_000}).encode()
    yield "a long password", JSON, json.dumps({"username": "anna", "password": "a" * MEGABYTE}).encode()
    yield "a password at its limit", JSON, json.dumps({"username": "anna", "password": "Aa1!" * 32}).encode()
    yield "passwords", JSON, json.dumps({"old_password": "test", "new_password": "Aa1!" * 32}).encode()


HEADERS = [
    {"X-Forwarded-For": ", ".join(["127.0.0.1"] * 1500)},
    {"Prefer": "wait" + " " * 16_000},
    {"Prefer": "wait=" * 3000},
    {"Authorization": "Bearer " + "a." * 8000},
    {"Idempotency-Key": "a" * 16_000},
    {"Content-Type": ";" * 16_000},
    {"Content-Type": FORM + "; charset=" * 1500},
    {"Accept-Encoding": ",".join(["gzip;q=0.1"] * 1500)},
    {"Cookie": "a=b; " * 3000},
    {"Range": "bytes=" + ",".join(f"{number}-" for number in range(3000))},
    {f"X-{number}": "a" for number in range(1000)},
]
PATHS = [
    "/a" * 4000,
    "/models/" + "%25" * 2500,
    "/predictions?" + "&" * 8000,
    "/predictions?limit=" + "9" * 8000,
    "/web/" + "../" * 2500,
]
POSTED = ["/token", "/users", "/predictions/predict", "/predictions/batch", "/users/me/password", "/logout"]


@pytest.fixture
def beating(database_url: str) -> Iterator[tuple[Process, Beats]]:
    """The app as a process of its own, with a heartbeat."""
    folder = Path(tempfile.mkdtemp(prefix="app-"))
    beats = Beats(folder / "beats")
    settings = {
        "BEATS_FILE": str(folder / "beats"),
        "REGISTRATIONS_PER_HOUR_MAX": "100000",
        "TRUSTED_PROXIES": "127.0.0.0/8",
    }
    with started(database_url, folder, OF_LISTS, module="tests.support.beating", **settings) as process:
        assert "READY=1" in process.told()
        yield process, beats
    shutil.rmtree(folder)


Request = tuple[str, str, str, dict[str, str], bytes | None]


def requests() -> Iterator[Request]:
    """Each shape wherever a body is taken, long headers, long addresses: name, method, path, headers, body."""
    for name, media_type, body in shapes():
        for path in POSTED if media_type == JSON and len(body) < MEGABYTE else POSTED[:4]:
            yield name, "POST", path, {"Content-Type": media_type}, body
    for headers in HEADERS:
        for path in ("/models", "/web/docs/swagger-ui.css"):
            yield str(headers)[:40], "GET", path, headers, None
        yield str(headers)[:40], "POST", "/predictions/predict", headers, b'{"text": "a"}'
    for path in PATHS:
        yield "a path", "GET", path, {}, None


def test_no_request_holds_the_loop(beating: tuple[Process, Beats]) -> None:
    process, beats = beating
    held = {}
    with process.client() as client:
        token = client.post("/token", data={"username": "test", "password": "test"}).json()["access_token"]

        def hold_s(request: Request) -> float:
            _, method, path, headers, body = request
            beats.worst_s = 0.0
            try:
                answer = client.request(
                    method, path, content=body, headers={"Authorization": f"Bearer {token}"} | headers
                )
                assert answer.status_code < 500, (path, answer.text)
            except httpx2.TransportError:
                pass  # refused before it was sent as a whole
            client.get("/health/live")  # once the loop is free again
            return beats.worst_s

        for request in requests():
            # What holds the loop does so each time; a processor that others share is slow at times.
            seconds = hold_s(request)
            if seconds > HOLD_S_MAX and (seconds := min(hold_s(request) for _ in range(3))) > HOLD_S_MAX:
                held[request[0], request[2]] = round(seconds, 3)
    assert held == {}
