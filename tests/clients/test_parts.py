"""What of the client needs no service: its errors, its settings, its imports, the verification of webhooks."""

from __future__ import annotations

import base64
import inspect
import json
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

import mls
from ml_service.domain import errors as domain
from mls import AsyncClient, Client, ServiceUnreachable, webhooks
from mls._calls import Retry
from mls.errors import ApiError, error_of

ROOT = Path(__file__).parents[2]
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OLD = "whsec_" + base64.b64encode(b"an earlier secret, 32 bytes long").decode()


def subclasses(kind: type) -> set[type]:
    return {one for each in kind.__subclasses__() for one in {each, *subclasses(each)}}


def test_each_error_of_the_service_has_a_class_with_the_same_parents() -> None:
    service = {one.code: one for one in subclasses(domain.ServiceError)}
    assert service.keys() - ApiError.known.keys() == set()
    for code, one in service.items():
        parents = {parent.code for parent in one.__mro__ if parent in service.values()}
        assert parents == {
            parent.code for parent in ApiError.known[code].__mro__ if parent in ApiError.known.values()
        }, code
        assert one.__name__ == ApiError.known[code].__name__


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            500,
            '{"code": "internal_error", "detail": "No.", "request_id": "r-1"}',
            "No. (500 internal_error, request r-1)",
        ),
        (502, "<html>", "Bad Gateway (502 http_error, request r-2)"),
        (402, '{"code": "key_cap_exceeded", "detail": "No.", "request_id": "r-1"}', "No. (402 key_cap_exceeded)"),
    ],
)
def test_an_error_has_the_id_of_its_request_and_says_it_where_the_service_failed(
    status: int, body: str, said: str
) -> None:
    error = error_of(httpx2.Response(status, text=body, headers={"X-Request-ID": "r-2"}))
    assert (error.request_id, str(error)) == ("r-2" if "html" in body else "r-1", said)


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def shape(kind: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(one).parameters) for name, one in methods if not name.startswith("_")}

    assert shape(Client) == shape(AsyncClient)


def test_its_imports_point_one_way_and_at_nothing_of_the_service() -> None:
    program = ROOT / ".venv" / "bin" / "lint-imports"
    done = subprocess.run([program], cwd=ROOT / "clients/python", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_settings_come_from_the_environment_and_contradictions_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLS_URL", "MLS_API_KEY", "MLS_USERNAME", "MLS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="MLS_URL"):
        Client()
    with pytest.raises(ValueError, match="not both"):
        Client("http://x", api_key="mls_a", username="anna", password="b")
    with pytest.raises(ValueError, match="together"):
        Client("http://x", username="anna")
    monkeypatch.setenv("MLS_URL", "http://x")
    monkeypatch.setenv("MLS_API_KEY", "mls_a")
    Client().close()
    Client(username="anna", password="b").close()


def test_no_answer_at_all_is_said_after_the_retries() -> None:
    retry = Retry(tries=3, pause_s_min=0.01)
    with Client("http://127.0.0.1:9", api_key="mls_none", retry=retry) as client, pytest.raises(ServiceUnreachable):
        client.balance()


def signed(body: bytes, secret: str, *, at: float | None = None) -> dict[str, str]:
    """The headers as the library of Standard Webhooks makes them, by which the service signs."""
    sent_at = datetime.fromtimestamp(int(time.time() if at is None else at), UTC)
    signature = Webhook(secret).sign("msg_1", sent_at, body.decode())
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(sent_at.timestamp())),
        "Webhook-Signature": signature,
    }


BODY = json.dumps({"type": "prediction.succeeded", "timestamp": "2026-11-26T05:00:00Z", "data": {"id": "1"}}).encode()


def test_a_signed_message_is_verified_also_while_its_secret_is_rotated() -> None:
    message = webhooks.verify(BODY, signed(BODY, SECRET), SECRET)
    assert (message.id, message.type, message.data) == ("msg_1", "prediction.succeeded", {"id": "1"})
    assert webhooks.verify(BODY, signed(BODY, OLD), [SECRET, OLD]) == message
    headers = signed(BODY, OLD)
    headers["Webhook-Signature"] += " v1a,other " + signed(BODY, SECRET)["Webhook-Signature"]
    assert webhooks.verify(BODY.decode(), headers, SECRET) == message


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY + b" ", lambda: signed(BODY, SECRET)),
        (BODY, lambda: signed(BODY, OLD)),
        (BODY, lambda: signed(BODY, SECRET, at=time.time() - 310)),
        (BODY, lambda: signed(BODY, SECRET, at=time.time() + 310)),
        (BODY, lambda: signed(BODY, SECRET) | {"Webhook-Id": "msg_2"}),
        (BODY, dict),
        (BODY, lambda: signed(BODY, SECRET) | {"Webhook-Timestamp": "soon"}),
        (b"[]", lambda: signed(b"[]", SECRET)),
    ],
    ids=["changed", "other secret", "old", "from the future", "other id", "no headers", "no time", "no object"],
)
def test_a_message_that_is_not_to_be_trusted_is_refused(body: bytes, headers: Callable[[], dict[str, str]]) -> None:
    with pytest.raises(webhooks.VerificationError):
        webhooks.verify(body, headers(), SECRET)


ANY_TEXT = st.text(st.characters(exclude_categories=()))  # surrogates too, as servers decode what is no UTF-8
HEADER = st.one_of(ANY_TEXT, st.integers().map(str), st.from_regex(r"v1,[A-Za-z0-9+/=]{0,50}", fullmatch=True))
STAMP = st.one_of(HEADER, st.just("9" * 400), st.just(str(10**15)), st.just("now"))


@given(body=st.one_of(st.binary(), ANY_TEXT, st.just(BODY)), id_=HEADER, stamp=STAMP, signature=HEADER)
def test_whatever_anybody_sends_is_refused_by_one_error(
    body: bytes | str, id_: str, stamp: str, signature: str
) -> None:
    sent_at = str(int(time.time())) if stamp == "now" else stamp
    headers = {"Webhook-Id": id_, "Webhook-Timestamp": sent_at, "Webhook-Signature": signature}
    with pytest.raises(webhooks.VerificationError):
        webhooks.verify(body, headers, SECRET)


def test_the_package_names_what_it_offers() -> None:
    assert all(hasattr(mls, name) for name in mls.__all__)


def test_an_answer_whose_text_is_no_longer_kept_says_so() -> None:
    shown = {
        "id": "019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e", "model": "echo", "version": "1", "status": "succeeded",
        "input": None, "output": None, "error": None, "cost": 1, "charged": 1, "source": "api", "batch_id": None,
        "attempts": 1, "created_at": "2026-11-25T12:00:00Z", "started_at": None, "finished_at": "2026-11-25T12:00:01Z",
        "deadline_at": None, "timings": {"queued_ms": None, "predict_ms": None, "total_ms": None},
    }  # fmt: skip
    with pytest.raises(mls.PredictionFailed, match="no longer kept") as failed:
        mls.Prediction.model_validate(shown).result()
    assert failed.value.code == "succeeded"
