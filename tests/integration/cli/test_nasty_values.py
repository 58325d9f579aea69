"""Whatever is typed, an operator reads a sentence; no text of others commands the terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
from typer.testing import CliRunner

from engine.common.state import ROOT
from ml_service.cli.commands import app

pytestmark = pytest.mark.slow

HOSTILE = "a\x1b[31m\u202eb\nc"
NASTY = ("", " ", "-1", "9" * 40, "x" * 5000, "\u0663", "1e400", "nan", "[red]x", HOSTILE, "@", "/nowhere/at/all", "..")


def commands(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))
        else:
            yield (*above, name), command


def filled(command: Any, value: str) -> list[str]:
    """A command line with the same value for every parameter."""
    options: list[str] = []
    arguments: list[str] = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            arguments.append(value)
        elif not getattr(parameter, "is_flag", False) and parameter.name != "help":
            options.append(f"{parameter.opts[0]}={value}")
    return [*options, "--", *arguments]


def sound(command: Any, wrong: str, value: str) -> list[str]:
    """A command line that is right but for one parameter."""
    right = {"username": "nobody", "amount": "5", "model": "echo@1", "credits_": "5", "role": "viewer", "limit": "5"}
    options, arguments = [], []
    for parameter in command.params:
        given = value if parameter.name == wrong else right.get(str(parameter.name), "0" * 32)
        if parameter.param_type_name == "argument":
            arguments.append(given)
        elif parameter.required or parameter.name == wrong:
            options.append(f"{parameter.opts[0]}={given}")
    return [*options, "--", *arguments]


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "DATABASE_URL": database_url,
        "QUEUE_BACKEND": "postgres",
        "SETTINGS_FOLDER": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MODELS_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("settings")
def test_every_command_answers_nasty_values_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, wrong = CliRunner(), []
    tried = 0
    root = typer.main.get_command(app)
    monkeypatch.setattr("typer.testing._get_command", lambda _app: root)  # it makes all of them again for each line
    for path, command in commands(root):
        lines = [filled(command, value) for value in NASTY]
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False) and parameter.name != "help":
                lines += [sound(command, str(parameter.name), value) for value in NASTY]
        for line in dict.fromkeys(map(tuple, lines)):  # those of a command with one parameter come twice
            tried += 1
            result = runner.invoke(app, [*path, *line], input=b"")
            said = result.output if result.exit_code != 2 else ""  # else typer repeats what was typed
            # OSError is left to `main`, which says it.
            is_quiet = result.exception is None or isinstance(result.exception, SystemExit | OSError)
            if not is_quiet or result.exit_code not in (0, 1, 2) or "\x1b" in said or "\u202e" in said:
                wrong.append((path, [word[:60] for word in line], repr(result.exception)[:200]))
    assert tried > 1000
    assert not wrong


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (["admin", "create", "boss", "--password-stdin"], b"\xff\xfe\xfd-Long-Password-77\n", 1, "UTF-8"),
        (["admin", "create", "boss", "--password-stdin"], b"a\0-Long-Password-77\n", 1, "NUL"),
        (["models", "check", "+nope"], b"", 1, "no model nope"),
        (["models", "card", "+echo"], b"", 0, "# echo"),
        (["models", "run", "echo", "--input", "@bad"], b"", 1, "bad is not UTF-8 text"),
        (["models", "run", "echo", "--input", "@nothing"], b"", 1, "nothing: No such file"),
        (["models", "run", "echo", "--input", "@."], b"", 1, "directory"),
        (["models", "run", "echo", "--input", "@deep"], b"", 0, "[[["),
        (["models", "run", "echo", "--input", '{"text": "\\ud800"}'], b"", 1, "The input does not fit"),
        (["models", "run", "echo", "--input", '"\\ud800"'], b"", 1, "The input does not fit"),
        (["models", "run", "echo", "--input", '{"text": 1e400}'], b"", 1, "The input does not fit"),
        (["backup", "--", "-x.dump"], b"", 0, "-x.dump"),
        (["restore", "--replace", "--", "bad"], b"", 1, "cannot be read back"),
        (["secrets", "worker-urls", ".", "--address", "a@b/c"], b"", 1, "no host"),
        (["admin", "block", "nobody", "--reason", ""], b"", 1, "not_found"),
    ],
)
def test_a_file_an_input_or_a_password_that_cannot_be_is_refused_in_words(
    arguments: list[str], stdin: bytes, code: int, words: str, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "bad").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "deep").write_text("[" * 900)
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "SETTINGS_FOLDER": "/nowhere",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "ml_service.cli", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=env, input=stdin, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert "Traceback" not in said
    assert (done.returncode, words in said) == (code, True), said


@pytest.mark.parametrize("arguments", [["--help"], ["models", "list"], ["models", "card", "sentiment"]])
@pytest.mark.parametrize("output", ["/dev/full", "closed pipe"])
def test_output_that_goes_nowhere_is_no_traceback(arguments: list[str], output: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/x",
        "SETTINGS_FOLDER": "/nowhere",
    }
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "wb") as full, os.fdopen(writing, "wb") as pipe:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "ml_service.cli", *arguments],
            cwd=ROOT,
            env=env,
            stdout=full if output == "/dev/full" else pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert ("No space left" in done.stderr) == (output == "/dev/full")


@pytest.mark.parametrize("after_s", [0.1, 0.3, 0.6, 1.0, 2.0])
def test_ctrl_c_is_no_traceback_whenever_it_comes(after_s: float, tmp_path: Path) -> None:
    """Also while the command still loads its libraries, or asks for a password."""
    code = f"import sys; sys.argv = ['ml-service', 'admin', 'create', 'boss']; sys.path.insert(0, {str(ROOT)!r})\n"
    code += "print('begun', flush=True)\nfrom ml_service.cli.__main__ import main\nmain()"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, "-c", code], {"SETTINGS_FOLDER": "/nowhere"})  # noqa: S606
    said = os.read(terminal, 100)
    time.sleep(after_s)  # any moment will do
    os.kill(pid, signal.SIGINT)
    with suppress(OSError):  # the terminal closes with the program
        while part := os.read(terminal, 4096):
            said += part
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] != 0
    assert b"Traceback" not in said, said
