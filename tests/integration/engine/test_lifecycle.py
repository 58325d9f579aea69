"""What `--start` does where another supervisor still ends."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from engine import command_line
from engine.common.errors import EngineError
from engine.common.state import Places, supervisor_lock
from engine.native import lifecycle


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a start does, in its order, on a state folder whose supervisor says that it is stopping."""
    done: list[str] = []
    places = Places(tmp_path / "var")
    places.make()

    def spawn(_: object) -> None:
        done.append("spawn")

    def follow(_: object) -> dict[str, Any]:
        return {"pid": 1, "state": "healthy"}

    def already_running(*_: object) -> int:
        return 0  # nothing was spawned that would be ours

    monkeypatch.setattr(lifecycle, "PROJECT", places)
    monkeypatch.setattr(lifecycle.control, "ask", lambda *_: {"state": "stopping"})
    monkeypatch.setattr(lifecycle, "copy_examples", lambda: done.append("examples") or [])
    monkeypatch.setattr(lifecycle.model_environments, "ensure_all", lambda _: done.append("environments"))
    monkeypatch.setattr(lifecycle, "named_models", lambda _: set())
    monkeypatch.setattr(lifecycle, "_spawn", spawn)
    monkeypatch.setattr(lifecycle, "_follow", follow)
    monkeypatch.setattr(lifecycle, "_already_running", already_running)
    return done


def test_a_start_after_a_stop_prepares_what_every_start_prepares(done: list[str]) -> None:
    options, _ = command_line.parse(["--start"])
    with supervisor_lock(lifecycle.PROJECT):
        starting = threading.Thread(target=lifecycle.start, args=(options,), daemon=True)
        starting.start()
        starting.join(0.5)
        assert done == [], "nothing is touched before the old one has ended"
    starting.join(20)
    assert done == ["examples", "environments", "spawn"]


def test_a_start_does_not_begin_beside_one_that_does_not_stop(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_STOP_TIMEOUT_S", 0.2)
    options, _ = command_line.parse(["--start"])
    with supervisor_lock(lifecycle.PROJECT), pytest.raises(EngineError, match=r"has not stopped in 0\.2 s"):
        lifecycle.start(options)
    assert done == []
