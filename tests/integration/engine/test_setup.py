"""When the `.venv` is made, kept and mended; the locks here are empty, so that nothing is downloaded."""

from __future__ import annotations

import ast
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from engine import setup
from engine.errors import EngineError
from engine.setup import Environment


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    for name in ("services/app/requirements.txt", "engine/requirements.txt", "tests/requirements.txt"):
        lock = tmp_path / name
        lock.parent.mkdir(parents=True)
        lock.write_text("# nothing\n")
    return Environment(tmp_path)


def test_it_is_made_once_and_then_costs_nothing(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    setup.ensure(environment)
    assert environment.is_current(tests=False)
    assert "Preparing" in capsys.readouterr().out
    made = environment.python.lstat().st_mtime_ns
    setup.ensure(environment)
    assert capsys.readouterr().out == ""
    assert environment.python.lstat().st_mtime_ns == made


def test_changed_locks_are_installed_over_it_and_tests_only_when_asked_for(environment: Environment) -> None:
    setup.ensure(environment)
    assert not environment.is_current(tests=True)
    setup.ensure(environment, tests=True)
    (environment.root / "engine/requirements.txt").write_text("# something else\n")
    assert not environment.is_current(tests=False)
    made = environment.python.lstat().st_mtime_ns
    setup.ensure(environment)
    assert environment.is_current(tests=True)
    assert environment.python.lstat().st_mtime_ns == made


def test_an_interrupted_installation_is_taken_up_again(environment: Environment) -> None:
    setup.ensure(environment)
    environment.stamp.unlink()
    setup.ensure(environment)
    assert environment.is_current(tests=False)


def test_a_broken_environment_is_made_anew(environment: Environment) -> None:
    setup.ensure(environment)
    environment.python.unlink()
    environment.python.symlink_to("/no/such/python")
    assert not environment.is_current(tests=False)
    setup.ensure(environment)
    assert environment.is_current(tests=False)


def test_a_failed_installation_says_what_pip_said_and_leaves_no_stamp(environment: Environment) -> None:
    (environment.root / "engine/requirements.txt").write_text("rich==15.0.0\n")  # without its hash
    with pytest.raises(EngineError, match="hash"):
        setup.ensure(environment)
    assert environment.installed() == {}


def test_an_environment_without_pip_is_served_by_the_pip_outside(environment: Environment) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment.folder], check=True)
    assert setup._works(environment)
    assert "--python" in setup._pip(environment)


def test_a_second_terminal_waits(environment: Environment) -> None:
    (environment.root / "var").mkdir()
    with (environment.root / "var/setup.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        script = "import sys; from engine.setup import *; ensure(Environment(Path(sys.argv[1])))"
        waiting = subprocess.Popen(
            [sys.executable, "-c", script, environment.root], cwd=setup.ROOT, stdout=subprocess.PIPE, text=True
        )
        assert waiting.stdout is not None
        assert "Another terminal" in waiting.stdout.readline()
    assert waiting.wait(60) == 0
    waiting.stdout.close()
    assert environment.is_current(tests=False)


def test_start_py_is_readable_by_old_pythons() -> None:
    source = (setup.ROOT / "start.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source
