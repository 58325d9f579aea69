"""What `--start` does where another supervisor still ends."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest

from engine import command_line
from engine.common.errors import EngineError
from engine.common.state import Places, supervisor_lock, write_json
from engine.native import lifecycle
from engine.native.plan import Wishes, remembered


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
    monkeypatch.setattr(lifecycle.control, "ask", lambda *_, **__: {"state": "stopping"})
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


def test_a_start_waits_while_the_old_one_says_that_it_is_stopping(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers may drain for hours, by their settings; what another terminal has started meanwhile is joined."""
    states = iter([*["stopping"] * 5, "stopped", "healthy"])
    monkeypatch.setattr(lifecycle, "_ANSWER_TIMEOUT_S", -1)
    monkeypatch.setattr(lifecycle.control, "ask", lambda *_, **__: {"state": next(states)})
    options, _ = command_line.parse(["--start"])
    with supervisor_lock(lifecycle.PROJECT):
        assert lifecycle.start(options) == 0
    assert done == []
    assert list(states) == []


def test_a_start_does_not_begin_beside_one_that_hangs_while_it_stops(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([{"state": "stopping"}])
    monkeypatch.setattr(lifecycle, "_ANSWER_TIMEOUT_S", 0)
    monkeypatch.setattr(lifecycle.control, "ask", lambda *_, **__: next(answers, None))
    options, _ = command_line.parse(["--start"])
    with supervisor_lock(lifecycle.PROJECT), pytest.raises(EngineError, match=r"does not answer any more.*--stop"):
        lifecycle.start(options)
    assert done == []


@pytest.mark.parametrize("does_end", [False, True])
def test_workers_that_go_are_waited_for_without_end(
    does_end: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []
    status = {"state": "healthy", "host": "0.0.0.0", "port": 1, "queue": "postgres", "mode": "demo"}  # noqa: S104

    def ask(_: Places, request: dict[str, Any], timeout_s: float | None = 10) -> dict[str, Any] | None:
        if request["op"] == "scale":
            asked.append(timeout_s)
            return None if does_end else {"before": 3, "workers": 1}
        return {**status, "workers_wanted": 3 - 2 * len(asked), "workers_ready": 1, "pools": []}

    monkeypatch.setattr(lifecycle, "PROJECT", Places(tmp_path / "var"))
    monkeypatch.setattr(lifecycle.control, "ask", ask)
    monkeypatch.setattr(lifecycle, "_summary", lambda _: None)
    monkeypatch.setattr(
        lifecycle, "read_wishes", lambda **_: Wishes(workers=1, host=None, port=None, queue=None, mode=None)
    )
    options, _ = command_line.parse(["--start", "--workers", "1"])
    with pytest.raises(EngineError, match="ended before") if does_end else contextlib.nullcontext():
        assert lifecycle.start(options) == 0
    assert asked == [None]


def test_a_stop_keeps_the_host_that_an_earlier_version_did_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(tmp_path / "var")
    places.make()
    write_json(places.engine_file, {"engine": "native", "port": 8044, "state": "stopped"})
    holders = iter([1, 1])
    status = {"state": "stopping", "step": "stopping", "host": "127.0.0.1"}
    monkeypatch.setattr(lifecycle, "PROJECT", places)
    monkeypatch.setattr(lifecycle, "lock_holder", lambda _: next(holders, None))
    monkeypatch.setattr(lifecycle.control, "ask", lambda *_, **__: status)
    assert lifecycle.stop() == 0
    assert remembered(places)["host"] == "127.0.0.1"
