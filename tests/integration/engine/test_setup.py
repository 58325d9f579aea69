"""When the `.venv` is made, kept and mended; the locks here are empty, so that nothing is downloaded."""

from __future__ import annotations

import ast
import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from engine import setup
from engine.common.errors import EngineError
from engine.setup import Environment

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    for name in ("services/app/requirements.txt", "engine/requirements.txt", "tests/requirements.txt"):
        lock = tmp_path / name
        lock.parent.mkdir(parents=True)
        lock.write_text("# nothing\n")
    return Environment(tmp_path)


@pytest.fixture
def bare(environment: Environment) -> Environment:
    """With an interpreter and no pip of its own, which is made in no time."""
    venv.create(environment.folder, symlinks=True, with_pip=False)
    return environment


def test_a_broken_environment_is_replaced_and_a_sound_one_kept(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to("/" + "x" * 300)  # cannot be looked at, as a link into another user's closed folder
    assert not environment.is_current(tests=False)
    setup.ensure(environment)
    assert environment.is_current(tests=False)
    assert "Preparing" in capsys.readouterr().out
    made = environment.python.lstat().st_mtime_ns
    setup.ensure(environment)
    assert capsys.readouterr().out == ""
    assert environment.python.lstat().st_mtime_ns == made


def test_a_file_that_cannot_run_is_no_interpreter(environment: Environment) -> None:
    environment.python.parent.mkdir(parents=True)
    environment.python.write_bytes(b"\x7fELF of another machine")
    assert not environment.is_current(tests=False)
    environment.python.chmod(0o755)
    assert not setup._works(environment)


def test_the_command_follows_a_moved_folder(bare: Environment) -> None:
    setup.ensure(bare)
    moved = Environment(bare.root.rename(bare.root.with_name("moved")))
    setup.ensure(moved)
    assert str(moved.root) in moved.python.with_name("ml-service").read_text()


def test_changed_locks_are_installed_over_it_and_tests_only_when_asked_for(bare: Environment) -> None:
    setup.ensure(bare)
    assert not bare.is_current(tests=True)
    setup.ensure(bare, tests=True)
    (bare.root / "engine/requirements.txt").write_text("# something else\n")
    assert not bare.is_current(tests=False)
    made = bare.python.lstat().st_mtime_ns
    setup.ensure(bare)
    assert bare.is_current(tests=True)
    assert bare.python.lstat().st_mtime_ns == made


def test_an_interrupted_installation_is_taken_up_again(bare: Environment) -> None:
    setup.ensure(bare)
    bare.stamp.unlink()
    setup.ensure(bare)
    assert bare.is_current(tests=False)


def test_a_failed_installation_says_what_pip_said_and_leaves_no_stamp(bare: Environment) -> None:
    (bare.root / "engine/requirements.txt").write_text("rich==15.0.0\n")  # without its hash
    with pytest.raises(EngineError, match="hash"):
        setup.ensure(bare)
    assert bare.installed() == {}


def test_an_environment_without_pip_is_served_by_the_pip_outside(bare: Environment) -> None:
    assert setup._works(bare)
    assert "--python" in setup._pip(bare)


@pytest.mark.parametrize("name", ["plain", 'it\'s a "$HOME" проект #1'])
def test_the_command_completes_and_runs_from_any_folder(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    root.symlink_to(setup.ROOT)
    command = tmp_path / "ml-service"
    command.write_text(setup.command_script(Path(sys.executable), root))
    command.chmod(0o755)
    complete = {"_ML_SERVICE_COMPLETE": "complete_bash", "COMP_WORDS": "ml-service au", "COMP_CWORD": "1"}
    done = subprocess.run([command], env={"PATH": os.defpath, **complete}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["audit"], done
    shown = subprocess.run([command, "--help"], env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert "Usage: ml-service" in shown.stdout, shown


def test_a_second_terminal_waits(bare: Environment) -> None:
    (bare.root / "var").mkdir()
    with (bare.root / "var/setup.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        script = "import sys; from engine.setup import *; ensure(Environment(Path(sys.argv[1])))"
        waiting = subprocess.Popen(
            [sys.executable, "-c", script, bare.root], cwd=setup.ROOT, stdout=subprocess.PIPE, text=True
        )
        assert waiting.stdout is not None
        assert "Another terminal" in waiting.stdout.readline()
    assert waiting.wait(60) == 0
    waiting.stdout.close()
    assert bare.is_current(tests=False)


def test_start_py_is_readable_by_old_pythons() -> None:
    source = (setup.ROOT / "start.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source
