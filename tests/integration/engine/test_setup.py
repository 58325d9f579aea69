"""When the `.venv` is made, kept and mended; the locks here are empty, so that nothing is downloaded."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine import setup
from engine.common import pip_environment
from engine.common.errors import EngineError
from engine.common.state import Places
from engine.setup import Environment
from tests.support.pip_wishes import ELSEWHERE, tell_pip
from tests.support.wheels import write_wheel

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


def locked(bare: Environment) -> Path:
    """Have a lock name a package that is there to be installed; its folder."""
    write_wheel(bare.root, "one")
    digest = hashlib.sha256((bare.root / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    lock = bare.root / "engine/requirements.txt"
    lock.write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")
    return bare.root


@pytest.mark.parametrize("name", ELSEWHERE)
def test_packages_are_in_the_environment_whatever_pip_is_told_to_do_elsewhere(
    name: str, bare: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(locked(bare)))
    tell_pip(name, bare.root, monkeypatch)
    setup.ensure(bare)
    assert list(bare.folder.glob("lib/python3*/site-packages/tiny.py"))


def test_an_environment_whose_packages_are_elsewhere_gets_no_stamp(
    bare: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {**pip_environment.variables(setup._pip(bare)), "PIP_FIND_LINKS": str(locked(bare)), "PIP_DRY_RUN": "1"}
    monkeypatch.setattr(setup, "variables", lambda _: told)
    with pytest.raises(EngineError, match=r"elsewhere.*tiny"):
        setup.ensure(bare)
    assert bare.installed() == {}


@pytest.mark.parametrize(("name", "what"), [("my:project", "colon"), ("two\nlines", "line break")])
def test_a_folder_where_nothing_can_run_is_refused_with_what_to_do(name: str, what: str, tmp_path: Path) -> None:
    environment = Environment(tmp_path / name)
    environment.root.mkdir()
    with pytest.raises(EngineError, match=rf"project's folder '.*{name[:2]}.*' has a {what} in its path: move it"):
        setup.ensure(environment)
    assert not environment.folder.exists()


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


HOLDS_THE_LOCK = """
import sys, time
from pathlib import Path
from engine.common.state import Places, supervisor_lock
with supervisor_lock(Places(Path(sys.argv[1]))):
    print("holds it", flush=True)
    time.sleep(600)
"""

DRAINS = """
import signal
asked = []
def end(*_):
    asked.append(1)
    if len(asked) == 3:
        raise SystemExit(0)
signal.signal(signal.SIGTERM, end)
"""


@pytest.fixture
def supervisor(environment: Environment) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the environment's folder, as a supervisor does."""
    command = [sys.executable, "-c", HOLDS_THE_LOCK, environment.root / "var"]
    with subprocess.Popen(command, cwd=setup.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds it\n"
        yield process
        process.kill()


def upgrade_python(environment: Environment, *, is_broken: bool = False) -> None:
    """Let its `python` be another program, as a distribution's upgrade does."""
    other = environment.root / "python3.99"
    other.write_text("#!/bin/sh\n" + ("exit 1\n" if is_broken else f'exec {sys.executable} "$@"\n'))
    other.chmod(0o755)
    environment.python.unlink()
    environment.python.symlink_to(other)


def test_an_environment_of_another_python_is_not_current(bare: Environment) -> None:
    setup.ensure(bare)
    upgrade_python(bare)
    assert not bare.is_current(tests=False)
    assert not bare.is_usable
    bare.stamp.write_text(json.dumps({**bare.fingerprints(tests=False), "interpreter": "/usr/bin/python3.99 (vax)"}))
    assert not bare.is_current(tests=False)


def test_the_environment_is_not_replaced_under_the_service_that_runs_from_it(
    bare: Environment, supervisor: subprocess.Popen[str]
) -> None:
    setup.ensure(bare)
    upgrade_python(bare, is_broken=True)
    with pytest.raises(EngineError, match=r"another Python.*--stop"):
        setup.ensure(bare)
    assert bare.has_python
    supervisor.kill()
    supervisor.wait()
    setup.ensure(bare)
    assert bare.is_current(tests=False)


class Became(Exception):
    """What would have taken this process's place."""


@pytest.fixture
def started(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `start.py` does in the folder of ``environment``: each preparation, by whether tests need it."""
    done: list[str] = []

    def become(python: str, arguments: Sequence[str]) -> int:
        raise Became(python, *arguments)

    monkeypatch.setattr(setup, "Environment", lambda: environment)
    monkeypatch.setattr(setup, "PROJECT", Places(environment.root / "var"))
    monkeypatch.setattr(setup, "_engine_of", lambda _: None)
    monkeypatch.setattr(setup, "_become", become)
    monkeypatch.setattr(setup, "ensure", lambda *_, **__: done.append("ensure"))
    return done


def test_what_needs_no_environment_works_after_python_was_upgraded(
    bare: Environment,
    supervisor: subprocess.Popen[str],
    started: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare.stamp.write_text(json.dumps(bare.fingerprints(tests=False)))
    upgrade_python(bare, is_broken=True)
    for argument in ("--status", "--logs"):
        assert setup.main([argument]) == 1
        assert "made by another Python" in capsys.readouterr().out
    assert setup.main(["--stop"]) == 0
    assert supervisor.wait() == -signal.SIGTERM
    assert [setup.main([argument]) for argument in ("--status", "--logs", "--stop")] == [3, 3, 0]
    with pytest.raises(Became, match=re.escape(sys.executable)):
        setup.main(["--doctor"])
    monkeypatch.setattr(setup, "_engine_of", lambda _: "docker")
    for argument in ("--status", "--logs", "--stop"):
        with pytest.raises(Became, match=re.escape(sys.executable)):
            setup.main([argument])
    assert started == []


@pytest.mark.usefixtures("supervisor")
def test_a_look_at_the_service_needs_no_stamp(
    bare: Environment, started: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """There is none while locks are installed and after that failed; after a patch release it names another path."""
    bare.stamp.write_text(json.dumps({"interpreter": "/usr/bin/python3.99 (vax)"}))
    for argument in ("--status", "--logs"):
        assert setup.main([argument]) == 1
        said = capsys.readouterr().out
        assert "lacks packages" in said
        assert "another Python" not in said
    upgrade_python(bare)  # to one that has all packages
    for is_stamped in (True, False):
        bare.stamp.write_text(json.dumps({"interpreter": "/usr/bin/python3.99 (vax)"}))
        if not is_stamped:
            bare.stamp.unlink()
        for argument in ("--status", "--logs", "--stop"):
            with pytest.raises(Became, match=re.escape(str(bare.python))):
                setup.main([argument])
    assert started == []


def test_a_supervisor_that_drains_for_long_is_not_killed(
    environment: Environment, started: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "_LONG_STOP_S", -1)
    command = [sys.executable, "-c", DRAINS + HOLDS_THE_LOCK, environment.root / "var"]
    with subprocess.Popen(command, cwd=setup.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds it\n"
        assert setup.main(["--stop"]) == 0
        assert process.wait() == 0
    assert capsys.readouterr().out.count(f"kill -9 {process.pid}") == 1
    assert started == []


README = (setup.ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"^python3 start\.py(.*?)(?:  +#.*)?$", README, re.MULTILINE)))


@pytest.mark.parametrize("command", [*COMMANDS, "--cli --help", "--cli models check --help"])
def test_each_command_of_the_readme_prepares_what_it_needs(
    command: str, environment: Environment, started: list[str]
) -> None:
    words = shlex.split(command)
    with contextlib.suppress(Became):
        setup.main(words)
    is_own = words[:1] and words[0] in ("--status", "--stop", "--logs", "--doctor", "--systemd", "--version")
    assert started == ([] if is_own else ["ensure"])
    assert len(COMMANDS) > 5
    assert not environment.has_python


@pytest.fixture(scope="module")
def with_containers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what `start.py` needs, where the docker engine was started last."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("engine", "ml_service"):
        shutil.copytree(setup.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    for name in ("pyproject.toml", "docker-compose.yaml"):
        shutil.copy(setup.ROOT / name, folder / name)
    (folder / "var").mkdir()
    (folder / "var/engine.json").write_text('{"engine": "docker"}')
    return folder


@pytest.mark.parametrize("command", [*COMMANDS, "", "--cli --help", "--help", "--version"])
def test_no_command_of_the_readme_needs_an_environment_where_containers_do_the_work(
    command: str, with_containers: Path
) -> None:
    if "--engine native" in command or "--test" in command:
        pytest.skip("it does not run in containers")
    main, terminal = os.openpty()  # without arguments it asks, at a terminal
    with os.fdopen(terminal, "w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-S", "-m", "engine", *shlex.split(command)],
            cwd=with_containers,
            env={"PATH": "/nowhere"},
            stdin=stream,
            stdout=stream,
            stderr=stream,
        )
    said = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while part := os.read(main, 65536):
            said += part
    os.close(main)
    assert process.wait() in (0, 1, 3), said
    assert b"Traceback" not in said, said.decode()
    assert said


def test_start_py_is_readable_by_old_pythons() -> None:
    source = (setup.ROOT / "start.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source
