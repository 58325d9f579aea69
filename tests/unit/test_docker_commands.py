"""`start.py --cli` with containers runs each command where it finds what it needs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.common.errors import EngineError
from engine.docker import commands, compose, containers
from engine.docker.compose import Ended
from engine.docker.containers import Container


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["models", "check", "mine"], "ml-worker"),
        (["models", "list"], "ml-worker"),
        (["models", "manifest", "mine", "--print"], "ml-worker"),
        (["models", "restart", "--help"], "app"),
        (["models", "promote", "mine@2"], "app"),
        (["models", "rollback", "mine"], "app"),
        (["models", "disable", "mine"], "app"),
        (["users", "list"], "app"),
    ],
)
def test_commands_of_models_run_where_the_folders_or_the_rights_are(
    monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    """The workers' database role may not restart or promote a model, and the app has no models' folders."""
    there = [Container(one, one, one, "running", None, 0, 1, 0, None) for one in ("app", "ml-worker")]
    ran: list[Sequence[str]] = []
    monkeypatch.setattr(containers, "of", lambda _root: there)
    monkeypatch.setattr(commands, "_show", lambda command: ran.append(command) or 0)
    assert commands.cli(words) == 0
    (command,) = ran
    assert list(command[-len(words) - 4 :]) == [expected, "python", "-m", "ml_service.cli", *words]


@pytest.mark.parametrize(
    ("answer", "more", "expected"),
    [
        (Ended(0, "1.1.0\n", "  | loads"), [], ["restart", "mine", "--declares=1.1.0"]),
        (Ended(1, "", "invalid_input: SyntaxError"), [], None),
        (Ended(1, "", "invalid_input: SyntaxError"), ["--anyway"], ["restart", "mine", "--anyway"]),
    ],
)
def test_a_worker_looks_at_the_files_before_the_app_restarts_a_model(
    monkeypatch: pytest.MonkeyPatch, answer: Ended, more: list[str], expected: list[str] | None
) -> None:
    """The app has the right to, and no models' folder."""
    there = [Container(one, one, one, "running", None, 0, 1, 0, None) for one in ("app", "ml-worker")]
    ran: list[Sequence[str]] = []
    looked: list[Sequence[str]] = []
    monkeypatch.setattr(containers, "of", lambda _root: there)
    monkeypatch.setattr(commands, "_show", lambda command: ran.append(command) or 0)
    monkeypatch.setattr(compose, "output", lambda command, *_: looked.append(command) or answer)
    if expected is None:
        with pytest.raises(EngineError, match=r"all go on as they are.*SyntaxError"):
            commands.cli(["models", "restart", "mine", *more])
        assert ran == []
    else:
        assert commands.cli(["models", "restart", "mine", *more]) == 0
        assert list(ran[0])[4:] == ["python", "-m", "ml_service.cli", "models", *expected]
        assert "app" in ran[0]
    assert looked == [["docker", "exec", "ml-worker", "python", "-m", "ml_service.cli", "models", "declared", "mine"]]
