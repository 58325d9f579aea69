"""`start.py --cli` with containers runs each command where it finds what it needs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.docker import commands, containers
from engine.docker.containers import Container


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["models", "check", "mine"], "ml-worker"),
        (["models", "list"], "ml-worker"),
        (["models", "manifest", "mine", "--print"], "ml-worker"),
        (["models", "restart", "mine"], "app"),
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
