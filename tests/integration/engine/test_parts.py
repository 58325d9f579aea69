"""The engine's smaller parts: logs, ports, secrets, what is decided from the environment."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine import examples, logs, plan, ports, rabbitmq
from engine.errors import EngineError
from engine.state import ROOT, Places, load_secrets


def test_a_log_that_is_still_written_is_cut_and_kept_in_numbers(tmp_path: Path) -> None:
    log = tmp_path / "app-1.log"
    with log.open("ab", buffering=0) as writer:
        for text in (b"a" * 100, b"b" * 100, b"c" * 100, b"d" * 100):
            writer.write(text)
            assert logs.rotate(log, 100)
        writer.write(b"e")
    assert log.read_bytes() == b"e"
    assert [log.with_name(f"app-1.log.{number}").read_bytes()[:1] for number in (1, 2, 3)] == [b"d", b"c", b"b"]
    assert not logs.rotate(log, 100)


def test_logs_are_chosen_by_kind_and_by_name(tmp_path: Path) -> None:
    for name in ("app-1", "app-2", "worker-1", "postgres"):
        (tmp_path / f"{name}.log").touch()
    assert [log.stem for log in logs.choose(tmp_path, "app")] == ["app-1", "app-2"]
    assert [log.stem for log in logs.choose(tmp_path, "worker-1")] == ["worker-1"]
    assert logs.choose(tmp_path, "work") == []
    assert len(logs.choose(tmp_path, None)) == 4


def test_a_taken_port_is_named_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineError, match=rf"Port {port} is taken by python.*--port"):
            ports.listen("127.0.0.1", port)


def test_secrets_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    places = Places(tmp_path / "var")
    places.make()
    made = load_secrets(places)
    assert len(made["jwt_secret"]) >= 32
    assert load_secrets(places) == made
    assert stat.S_IMODE((places.var / "secrets.json").stat().st_mode) == 0o600
    (places.var / "secrets.json").write_text("{damaged")
    with pytest.raises(EngineError, match="cannot be read"):
        load_secrets(places)


def test_the_queue_is_what_is_asked_for_or_named_or_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUEUE_BACKEND", raising=False)
    monkeypatch.setenv("AMQP_URL", "amqp://broker/")
    assert plan.choose_queue(None) == "rabbitmq"
    assert plan.choose_queue("postgres") == "postgres"
    monkeypatch.setenv("QUEUE_BACKEND", "postgres")
    assert plan.choose_queue(None) == "postgres"
    monkeypatch.setenv("QUEUE_BACKEND", "kafka")
    with pytest.raises(EngineError, match="kafka"):
        plan.choose_queue(None)
    monkeypatch.setenv("QUEUE_BACKEND", "rabbitmq")
    monkeypatch.delenv("AMQP_URL")
    monkeypatch.setattr(rabbitmq, "available", lambda: False)
    with pytest.raises(EngineError, match="--queue postgres"):
        plan.choose_queue(None)


def test_an_example_is_copied_once_and_a_placeholder_is_no_token(tmp_path: Path) -> None:
    folder = tmp_path / "services/bot"
    folder.mkdir(parents=True)
    (folder / ".env.example").write_text("# from @BotFather\nTELEGRAM_TOKEN=put-your-token-here\n")
    assert examples.copy_examples(tmp_path) == ["services/bot/.env"]
    (folder / ".env").write_text("TELEGRAM_TOKEN='123:abc'\n")
    assert examples.copy_examples(tmp_path) == []
    assert examples.dotenv(folder / ".env") == {"TELEGRAM_TOKEN": "123:abc"}
    (folder / ".env").chmod(0o600)
    assert examples.open_for_containers(tmp_path) == ["services/bot/.env"]
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o604
    assert examples.open_for_containers(tmp_path) == []
    assert not plan.TOKEN.fullmatch("put-your-token-here")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "examples:"),
        ([], 0, "examples:"),  # no terminal, no menu
        (["--doctor"], None, "Disk"),
        (["--systemd", "--workers", "2"], 0, "--workers 2"),
        (["--workers", "0", "--start"], 2, "from 1 to 48"),
        (["--start", "--stop"], 2, "not allowed"),
        (["--nonsense"], 2, "nonsense"),
        (["--port", "80"], 1, "Say what to do"),
        (["--start", "--engine", "docker"], 1, "--engine native"),
    ],
)
def test_each_command_line_is_answered_in_words(arguments: list[str], code: int | None, said: str) -> None:
    command = [sys.executable, "-m", "engine", *arguments]
    env = {**os.environ, "DOCKER_HOST": "unix:///nowhere"}  # whether or not an engine answers on this machine
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if code is not None:
        assert done.returncode == code


def test_help_and_doctor_need_nothing_installed() -> None:
    for argument in ("--help", "--doctor", "--systemd"):
        script = "import sys; sys.argv = ['engine', sys.argv[1]]; from engine.__main__ import main; main()"
        done = subprocess.run(
            [sys.executable, "-S", "-c", script, argument], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr


def test_a_plan_hands_no_foreign_address_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    env = plan.Plan(secrets={"jwt_secret": "x"}).environment()
    assert "DATABASE_URL" not in env
    assert "NOTIFY_SOCKET" not in env
    assert json.dumps(env["JWT_SECRET"]) == '"x"'
