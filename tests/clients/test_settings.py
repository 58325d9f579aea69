"""Wrong settings are said at once, in one sentence, and nothing of a key or a password is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mls import AsyncClient, Client, cli
from tests.clients.local_server import LocalExchange, prediction, serving

CLIENT = Path(__file__).parents[2] / "clients/python"
SECRET = "secretsecret"
NOWHERE = "http://127.0.0.1:9"


def mls(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """`mls` from its sources, with nothing else in the environment."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [sys.executable, "-m", "mls.cli", *arguments]
    return subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MLS_URL": "localhost:8000"},
        {"MLS_URL": "localhost"},
        {"MLS_URL": "http://"},
        {"MLS_URL": "http://[::1"},
        {"MLS_URL": "http://exa mple"},
        {"MLS_URL": "http://x:port"},
        {"MLS_URL": f"ftp://anna:{SECRET}@x"},
        {"MLS_URL": f"http://anna:{SECRET}@x\n.example"},
        {"MLS_URL": NOWHERE, "MLS_API_KEY": f"mls_{SECRET}\r\nX-Other: 1"},
        {"MLS_URL": NOWHERE, "MLS_API_KEY": f"mls_ключ{SECRET}"},
        {"MLS_URL": NOWHERE, "MLS_API_KEY": f"mls_{SECRET} two"},
        {"MLS_URL": NOWHERE, "MLS_USERNAME": "anna", "MLS_PASSWORD": f"{SECRET}\udcff"},
        {"MLS_URL": NOWHERE, "MLS_USERNAME": "anna"},
        {"MLS_URL": NOWHERE, "HTTP_PROXY": "http://[::1"},
    ],
)
def test_a_wrong_setting_is_said_in_one_sentence(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MLS_URL", "MLS_API_KEY", "MLS_USERNAME", "MLS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.main(["models"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.strip().splitlines()[-1].startswith("mls: error: ")
    assert SECRET not in said


def test_what_stands_around_a_key_or_an_address_is_dropped() -> None:
    with serving(lambda exchange: exchange.send(200, b'{"balance": 3, "held": 0}')) as served:
        done = mls("balance", MLS_URL=f" {served.url}\r\n", MLS_API_KEY=f"mls_{SECRET}\r")
    assert (done.returncode, done.stdout) == (0, b"3 credits, 0 more are held\n"), done.stderr
    assert served.requests[0][2]["Authorization"] == f"Bearer mls_{SECRET}"


@pytest.mark.parametrize("key", ["заказ-1042", "a\nb", " order", "order ", "a" * 256])
async def test_a_key_that_cannot_be_sent_is_refused_before_anything_is(key: str) -> None:
    with Client(NOWHERE, api_key="mls_a") as client:
        with pytest.raises(ValueError, match=r"An Idempotency-Key has .* ASCII"):
            client.predict("hello", key=key)
        with pytest.raises(ValueError, match="An Idempotency-Key has"):
            client.submit_bulk(["hello"], key=key)
    async with AsyncClient(NOWHERE, api_key="mls_a") as client_of_tasks:
        with pytest.raises(ValueError, match="An Idempotency-Key has"):
            await client_of_tasks.predict("hello", key=key)


def test_an_id_that_is_no_part_of_an_address_is_a_wrong_value() -> None:
    with Client(NOWHERE, api_key="mls_a") as client, pytest.raises(ValueError, match="cannot be asked for"):
        client.get("a\nb")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251", "utf-8"])
def test_an_answer_is_shown_whatever_the_terminal_can_show(encoding: str) -> None:
    output = {"text": "Привет, é \U0001f600"}

    def answer(exchange: LocalExchange) -> None:
        exchange.send(200, json.dumps(prediction("succeeded") | {"output": output}).encode())

    with serving(answer) as served:
        done = mls("predict", "hello", MLS_URL=served.url, PYTHONIOENCODING=encoding)
        whole = mls("predict", "hello", "--json", MLS_URL=served.url, PYTHONIOENCODING=encoding)
    assert (done.returncode, whole.returncode) == (0, 0), done.stderr + whole.stderr
    assert json.loads(done.stdout.decode(encoding)) == output
    assert json.loads(whole.stdout.decode(encoding))["output"] == output
