"""A slip on the command line is said before anything is installed, asked or started."""

from __future__ import annotations

import pytest

from engine import command_line, setup
from engine.common.errors import EngineError
from engine.native import commands
from ml_service.cli import parsing

WRONG = [
    (["foo"], "unknown: foo"),
    (["--quiet"], "Say what to do"),
    (["--port", "80"], "--port belongs to --start or --restart"),
    (["--tail", "5"], "--tail belongs to --logs"),
    (["--level", "info"], "--level belongs to --logs"),
    (["--json"], "--json belongs to --status"),
    (["--status", "--port", "80"], "--port belongs to --start or --restart"),
    (["--status", "--follow"], "--follow belongs to --logs"),
    (["--stop", "--workers", "3"], "--workers belongs to --start or --restart"),
    (["--workers", "3", "--level", "info"], "--level belongs to --logs"),
    (["--test", "quick", "--json"], "--json belongs to --status"),
    (["--json", "--cli", "status"], "--json belongs to --status"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_a_slip_is_said_before_anything_is_prepared(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "ensure", lambda *_, **__: pytest.fail("an environment is prepared"))
    monkeypatch.setattr(setup, "_become", lambda *_: pytest.fail("the engine begins"))
    with pytest.raises(SystemExit) as ended:
        setup.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_an_option_reaches_each_action_that_reads_it() -> None:
    values = {"--workers": ["2"], "--pool": ["gpu=1:a"], "--queue": ["postgres"], "--port": ["80"]}
    values |= {"--tail": ["5"], "--level": ["info"]}
    for name, actions in command_line.ACTIONS_OF.items():
        for action in actions:
            more = values["--workers"] if action == "--workers" else []
            options, rest = command_line.read([action, *more, name, *values.get(name, [])])
            assert getattr(options, name[2:])
            assert not rest
    assert command_line.read(["--logs"])[0].tail == 40
    assert command_line.read(["--test", "quick", "-x", "--lf"])[1] == ["-x", "--lf"]
    assert command_line.read(["--supervise", "--workers", "2", "--port", "80"])[0].workers == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["admin", "nonsense"], "No such command 'nonsense'"),
        (["admin", "show"], "Missing argument"),
        (["keys"], "Usage: ml-service keys"),
    ],
)
def test_a_wrong_command_is_said_before_a_database_is_asked_for(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("engine.native.control.ask", lambda *_: None)
    assert commands.cli(arguments) == 2
    texts = capfd.readouterr()
    assert said in texts.out + texts.err


def test_a_command_that_is_right_is_told_that_it_needs_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.native.control.ask", lambda *_: None)
    assert commands._PARSED == parsing.READ
    with pytest.raises(EngineError, match="the command needs its database"):
        commands.cli(["admin", "show", "anna"])
