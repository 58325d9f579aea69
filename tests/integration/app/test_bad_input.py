"""Bad input of every kind: a clear 4xx problem, never a 500, never a hang."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from ml_service.domain.ids import new_id
from services.app.http.body_guard import BodyGuard
from services.app.http.edge import Head
from tests.support.service import Person, Service, code_of

JSON = "application/json"
CPU_S_MAX = 2.0
"""Of the whole process, for one request: a body of a megabyte takes a third of a second."""
BODIES: list[tuple[str, bytes, str, int]] = [
    ("nothing", b"", JSON, 422),
    ("no JSON", b"{", JSON, 422),
    ("a list", b"[]", JSON, 422),
    ("null", b"null", JSON, 422),
    ("a string", b'"text"', JSON, 422),
    ("an empty object", b"{}", JSON, 422),
    ("both ways", b'{"text": "a", "input": {"text": "a"}}', JSON, 422),
    ("text is a number", b'{"text": 7}', JSON, 422),
    ("text is null", b'{"text": null}', JSON, 422),
    ("text is empty", b'{"text": ""}', JSON, 422),
    ("text is a list", b'{"text": ["a"]}', JSON, 422),
    ("input is a string", b'{"input": "a"}', JSON, 422),
    ("input without text", b'{"input": {}}', JSON, 422),
    ("input with more", b'{"input": {"text": "a", "colour": "red"}}', JSON, 422),
    ("a long text", json.dumps({"text": "a" * 5001}).encode(), JSON, 422),
    ("1 MB of text", json.dumps({"text": "a" * 1_000_000}).encode(), JSON, 422),
    ("3 MB of text", json.dumps({"text": "a" * 3_000_000}).encode(), JSON, 413),
    ("NUL", b'{"text": "a\\u0000b"}', JSON, 422),
    ("NUL behind a backslash", rb'{"text": "a\\\u0000b"}', JSON, 422),
    ("a raw NUL", b'{"text": "a\x00b"}', JSON, 422),
    ("a lone surrogate", b'{"text": "\\ud800"}', JSON, 422),
    ("a lone surrogate as a name", b'{"text": "a", "\\udfff": 1}', JSON, 422),
    ("a lone surrogate as the model", b'{"model": "\\ud800", "text": "a"}', JSON, 422),
    ("invalid UTF-8", b'{"text": "\xff"}', JSON, 422),
    ("UTF-16", json.dumps({"text": "a"}).encode("utf-16"), JSON, 422),
    ("NaN", b'{"input": {"text": "a", "n": NaN}}', JSON, 422),
    ("Infinity", b'{"input": {"text": "a", "n": -Infinity}}', JSON, 422),
    ("1e309", b'{"input": {"text": "a", "n": 1e309}}', JSON, 422),
    ("a huge integer", b'{"input": {"text": "a", "n": ' + b"9" * 40 + b"}}", JSON, 422),
    ("an endless integer", b'{"input": {"text": "a", "n": ' + b"9" * 100_000 + b"}}", JSON, 422),
    ("a byte order mark", b'\xef\xbb\xbf{"text": "a"}', JSON, 422),
    ("two million values", b'{"input": {"n": [' + b"1," * 500_000 + b"1]}}", JSON, 400),
    ("a million objects", b"[" + b"{}," * 500_000 + b"{}]", JSON, 400),
    ("the same name twice", b'{"text": "a", "text": "b"}', JSON, 422),
    ("deep lists", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, 400),
    ("deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, JSON, 400),
    ("a hundred thousand names", json.dumps({f"k{number}": 1 for number in range(100_000)}).encode(), JSON, 422),
    ("an unknown model", b'{"model": "nope", "text": "a"}', JSON, 404),
    ("a model with SQL", b'{"model": "x\'; DROP TABLE users; --", "text": "a"}', JSON, 404),
    ("a model with NUL", b'{"model": "a\\u0000", "text": "a"}', JSON, 404),
    ("a model that is a number", b'{"model": 5, "text": "a"}', JSON, 422),
    ("a deadline of 0", b'{"text": "a", "deadline_s": 0}', JSON, 422),
    ("a deadline of -1", b'{"text": "a", "deadline_s": -1}', JSON, 422),
    ("a deadline as text", b'{"text": "a", "deadline_s": "1"}', JSON, 422),
    ("a deadline of 1e300", b'{"text": "a", "deadline_s": 1e300}', JSON, 422),
    ("a form", b"text=a", "application/x-www-form-urlencoded", 415),
    ("plain text", b'{"text": "a"}', "text/plain", 415),
]


@pytest.fixture
async def tried(anna: Person) -> AsyncIterator[Person]:
    yield anna
    assert await anna.balance() == (100, 0)


async def test_bad_bodies_are_refused(tried: Person) -> None:
    for name, body, media_type, expected in BODIES:
        began_s = time.process_time()  # of this process, which is the app's too: others may keep all cores busy
        answer = await tried.post("/predictions/predict", content=body, headers={"Content-Type": media_type})
        assert time.process_time() - began_s < CPU_S_MAX, name
        assert answer.status_code == expected, (name, answer.text[:500])
        code_of(answer)
        assert len(answer.content) < 3000, name
        assert "NewPrediction" not in answer.text, "no class of ours"


ITEMS: list[Any] = [
    [],
    None,
    {},
    "a",
    [1],
    [{"text": "a"}, {}],
    [{"text": "a"}] * 1001,
    [{"text": "a", "model": "nope"}],
]


async def test_bad_batches_are_refused(tried: Person) -> None:
    for items in ITEMS:
        answer = await tried.post("/predictions/batch", {"items": items})
        assert code_of(answer)[0] in {404, 422}, str(items)[:100]
    for body in (b"[]", b"{}", b"1", b"null", b'"items"', b'{"items": {"0": 1}}'):
        answer = await tried.post("/predictions/batch", content=body, headers={"Content-Type": JSON})
        assert code_of(answer) == (422, "invalid_input"), body


ADDRESSES = [
    ("/predictions/not-an-id", 422),
    ("/predictions/00000000-0000-0000-0000-000000000000", 404),
    ("/predictions/%00", 422),
    ("/predictions?limit=0", 422),
    ("/predictions?limit=-1", 422),
    ("/predictions?limit=201", 422),
    ("/predictions?limit=9223372036854775808", 422),
    ("/predictions?limit=1e3", 422),
    ("/predictions?status=done", 422),
    ("/predictions?source=%00", 422),
    ("/predictions?model=a%00b", 422),
    ("/predictions?batch_id=7", 422),
    ("/predictions?cursor=x", 422),
    ("/predictions?cursor=%D1%8F", 422),
    ("/predictions?cursor=AAAAAAAAAAo", 422),
    ("/transactions?cursor=" + "A" * 22, 422),
    ("/transactions?cursor=__________8", 422),
    ("/transactions?kind=gift", 422),
    ("/models/nope", 404),
    ("/models/a%00b", 404),
    ("/models/%ff", 404),
    ("/nowhere", 404),
    ("/web/../main.py", 404),
    ("/web/%2e%2e/main.py", 404),
]


async def test_bad_addresses_are_refused(tried: Person) -> None:
    for path, expected in ADDRESSES:
        answer = await tried.get(path)
        assert code_of(answer)[0] == expected, path


async def test_a_wrong_method_names_the_right_ones(tried: Person) -> None:
    answer = await tried.client.delete("/balance")
    assert code_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


FORMS: list[tuple[dict[str, str], int]] = [
    ({}, 415),
    ({"username": "anna"}, 422),
    ({"username": "a\0b", "password": "x"}, 422),
    ({"username": "anna", "password": "x\0y"}, 422),
    ({"username": "a" * 1001, "password": "x"}, 422),
    ({"username": "anna", "password": "x" * 10_001}, 422),
    ({"username": "anna", "password": "x" * 1_000_000}, 413),
    ({"username": "anna", "password": "x" * 3_000_000}, 413),
    ({"grant_type": "client_credentials"}, 422),
    ({"grant_type": "refresh_token"}, 422),
    ({"grant_type": "refresh_token", "refresh_token": "nonsense"}, 401),
    ({"grant_type": "refresh_token", "refresh_token": "\0.\0"}, 401),
    ({"username": "' OR 1=1 --", "password": "' OR 1=1 --"}, 401),
    ({"username": "\ufdfa" * 900, "password": "x"}, 401),
]


async def test_bad_sign_ins_are_refused(tried: Person) -> None:
    for form, expected in FORMS:
        began_s = time.process_time()
        answer = await tried.client.post("/token", data=form)
        assert time.process_time() - began_s < CPU_S_MAX, str(form)[:100]
        assert code_of(answer)[0] == expected, str(form)[:100]


async def test_a_form_with_broken_encoding_is_refused(tried: Person) -> None:
    for body, media_type in (
        (b"username=%ff%fe&password=%ff", "application/x-www-form-urlencoded"),
        (b"\xff\xfe=\x00&&&==", "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"--x\r\nbroken", "multipart/form-data"),
        (b'{"username": "test"}', "application/json"),
        (b"username=test", "application/x-www-form-urlencoded; charset=utf-16"),
        (b"username=test", "text/plain"),
        (b"username=test&username=test", "application/x-www-form-urlencoded"),
    ):
        answer = await tried.client.post("/token", content=body, headers={"Content-Type": media_type})
        is_form = media_type == "application/x-www-form-urlencoded"
        assert code_of(answer)[0] == (422 if is_form else 415), (body, media_type)


async def test_a_form_may_hold_raw_utf8(service: Service) -> None:
    password = "тихая зелёная река"
    new = {"username": "olga", "password": password}
    assert (await service.client.post("/users", json=new)).status_code == 201
    for body in (f"username=olga&password={password}".encode(), urlencode(new).encode()):
        for media_type in ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8"):
            answer = await service.client.post("/token", content=body, headers={"Content-Type": media_type})
            assert answer.status_code == 200, answer.text


async def test_a_compressed_body_is_refused(tried: Person) -> None:
    for path in ("/predictions/predict", "/token", "/users"):
        answer = await tried.post(path, content=b"\x1f\x8b", headers={"Content-Type": JSON, "Content-Encoding": "gzip"})
        assert code_of(answer) == (415, "unsupported_media_type")
        assert "Content-Encoding" in answer.json()["detail"]


async def test_a_body_in_pieces_is_measured_as_it_comes(tried: Person) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 65_536
            yield b"a" * 65_536

    answer = await tried.post("/predictions/predict", content=endless(), headers={"Content-Type": JSON})
    assert code_of(answer) == (413, "payload_too_large")
    assert answer.json()["detail"] == "The body may have 2,000,000 bytes at most."
    assert sent < 3_000_000


async def test_a_slow_body_is_not_waited_for(service: Service, anna: Person) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    head = service.app.edge._app
    assert isinstance(head, Head)
    assert isinstance(head._app, BodyGuard)
    head._app._timeout_s = 0.2
    answer = await anna.post("/predictions/predict", content=slow(), headers={"Content-Type": JSON})
    assert code_of(answer) == (408, "request_timeout")


async def test_an_unexpected_error_is_a_plain_500_with_its_request_id(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("ml_service.usecases.ledger.balance", broken)
    answer = await anna.get("/balance", headers={"X-Request-ID": "trace-7"})
    assert code_of(answer) == (500, "internal_error")
    assert answer.json()["request_id"] == "trace-7"
    assert "swordfish" not in answer.text
    assert service.app is not None


async def test_an_unknown_field_of_an_input_and_an_unknown_model_are_answered_with_the_nearest(anna: Person) -> None:
    answer = await anna.post("/predictions/predict", {"model": "echo", "input": {"text": "a", "txet": 1, "zzz": 2}})
    assert code_of(answer) == (422, "invalid_input")
    message = "There is no field 'txet'; did you mean text? There is no field 'zzz'."
    assert answer.json()["errors"] == [{"location": "input", "message": message}]
    answer = await anna.post("/predictions/predict", {"model": "ecco", "text": "a"})
    assert code_of(answer) == (404, "model_not_found")
    assert answer.json()["detail"].startswith("There is no model of this name; did you mean echo? Known: ")


async def test_a_body_of_fields_is_small(service: Service, boss: Person) -> None:
    too_large = b'{"name": "' + b"a" * 16_384 + b'"}'
    asked = set()
    for path, operations in service.app.openapi()["paths"].items():
        address = re.sub(r"{[a-z_]+}", str(new_id()), path)
        for method, operation in operations.items():
            if JSON not in operation.get("requestBody", {}).get("content", ()) or path.startswith("/predictions/"):
                continue
            as_json = {"Content-Type": JSON, "Sec-Fetch-Site": "same-origin"}
            answer = await service.client.request(method, address, content=too_large, headers=boss.headers | as_json)
            assert code_of(answer) == (413, "payload_too_large"), (method, path, answer.text)
            assert answer.json()["detail"] == "The body may have 16,384 bytes at most."
            if operation.get("security"):
                unsigned = await service.client.request(method, address, content=too_large, headers=as_json)
                assert code_of(unsigned) == (401, "unauthenticated"), (method, path)
            asked.add(f"{method} {path}")
    assert {"post /users", "post /session", "post /api-keys", "patch /users/me", "post /webhooks"} <= asked


async def test_what_is_wrong_with_a_batch_is_told_of_its_first_items_in_their_order(anna: Person) -> None:
    items = [{"text": "a"}, 1, {"text": "a", "tex": 1}, {"text": 2}, *[{"text": "a"}] * 3, *[{"text": 3}] * 30]
    answer = await anna.post("/predictions/batch", {"items": items, "deadline_s": "soon"})
    places = [error["location"] for error in answer.json()["errors"]]
    text = [f"body.items.{number}.text" for number in range(7, 24)]
    assert places == ["body.items.1", "body.items.2.tex", "body.items.3.text", *text]
    few = await anna.post("/predictions/batch", {"items": items[:4], "deadline_s": "soon", "more": 1})
    places = [error["location"] for error in few.json()["errors"]]
    assert places == [
        "body.items.1",
        "body.items.2.tex",
        "body.items.3.text",
        "body.deadline_s",
        "body.more",
    ]
