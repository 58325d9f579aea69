"""The project's own `.venv`, made from the hashed locks. Standard library only: it runs before there is one.

A stamp in the `.venv` says which locks it holds, and for which interpreter, so that a second run costs nothing, changed
locks are installed over it, and an interrupted installation is taken up again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import choice
from engine.command_line import before_cli, parse, read
from engine.common.errors import EngineError
from engine.common.output import EXIT_NOT_RUNNING, say, set_quiet, tell
from engine.common.pip_environment import missing, variables, without_wishes
from engine.common.pip_progress import names_in, show_progress
from engine.common.state import PROJECT, ROOT, Places, lock_holder

BASE_LOCKS = (
    "services/app/requirements.txt",
    "services/bot/requirements.txt",
    "services/ml_worker/requirements.txt",
    "engine/requirements.txt",
)
TEST_LOCKS = ("tests/requirements.txt",)
DISK_MIN_BYTES = 1_800_000_000
"""The environment takes some 900 MB, and pip nearly as much again while it unpacks."""

_FAILED_LINES_MAX = 12
_INTERPRETER = "interpreter"
_LONG_STOP_S = 120
_OF_ANOTHER_PYTHON = "The service still runs from a .venv that was made by another Python than this machine's."
_NOT_WHOLE = "The service runs from a .venv that lacks packages: they are being installed, or that has failed."


@dataclass(frozen=True, slots=True)
class Environment:
    """The `.venv` of one project folder."""

    root: Path = ROOT

    @property
    def folder(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def has_python(self) -> bool:
        """Whether this user can run its interpreter (a link into another user's closed folder cannot be followed)."""
        return os.access(self.python, os.X_OK)

    @property
    def interpreter(self) -> str:
        """Which program its interpreter really is: another one, after the system's Python was upgraded."""
        return f"{self.python.resolve()} ({os.uname().machine})"

    @property
    def is_usable(self) -> bool:
        """Whether something is installed for the interpreter that it has."""
        installed = self.installed()
        return self.has_python and bool(installed) and installed.get(_INTERPRETER) in (None, self.interpreter)

    @property
    def stamp(self) -> Path:
        """Which locks are fully installed, for which interpreter."""
        return self.folder / "ml-service-locks.json"

    def locks(self, *, tests: bool) -> list[Path]:
        """The lock files to install from; those of services that are not there are left out."""
        names = (*BASE_LOCKS, *TEST_LOCKS) if tests else BASE_LOCKS
        return [self.root / name for name in names if (self.root / name).exists()]

    def fingerprints(self, *, tests: bool) -> dict[str, str]:
        """What the stamp has to say: a hash of each lock, and the interpreter."""
        hashes = {
            str(lock.relative_to(self.root)): hashlib.sha256(lock.read_bytes()).hexdigest()
            for lock in self.locks(tests=tests)
        }
        return {_INTERPRETER: self.interpreter, **hashes}

    def installed(self) -> dict[str, str]:
        """What the stamp says; empty while an installation is not complete."""
        try:
            value = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}
        return {str(name): str(digest) for name, digest in value.items()} if isinstance(value, dict) else {}

    def is_current(self, *, tests: bool) -> bool:
        """Whether all that is wanted is installed as the locks say today."""
        installed = self.installed()
        wanted = self.fingerprints(tests=tests)
        return self.has_python and all(installed.get(name) == digest for name, digest in wanted.items())


@contextlib.contextmanager
def setup_lock(root: Path) -> Iterator[None]:
    """Only one at a time prepares the environment; a second terminal waits and says so."""
    folder = root / "var"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        file = (folder / "setup.lock").open("w")
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror}. Whose is the project's folder?") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another terminal is preparing the environment; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(environment: Environment, *, tests: bool = False) -> None:
    """Make the environment hold what the locks say.

    Raises:
        EngineError: it cannot be made, or not while the service runs from it.
    """
    if environment.is_current(tests=tests):
        with contextlib.suppress(OSError):  # another user's environment, in a folder that was moved
            _write_command(environment)
        return
    with setup_lock(environment.root):
        if environment.is_current(tests=tests):
            return
        known = environment.installed()
        free = shutil.disk_usage(environment.root).free
        if not known and free < DISK_MIN_BYTES:
            raise EngineError(
                f"{free / 1e9:.1f} GB of disk are free here; the environment needs {DISK_MIN_BYTES / 1e9}."
            )
        if not _works(environment):
            if lock_holder(Places(environment.root / "var")) is not None:
                raise EngineError(f"{_OF_ANOTHER_PYTHON} Stop it, then start it: python3 start.py --stop")
            _create(environment)
        environment.stamp.unlink(missing_ok=True)  # until all is there, nothing is
        wanted = environment.fingerprints(tests=tests)
        # Tests' libraries that were installed before stay as their lock says too.
        again = tests or any(name in known for name in TEST_LOCKS)
        _install(environment, environment.locks(tests=again))
        _write_command(environment)
        environment.stamp.write_text(json.dumps({**environment.fingerprints(tests=again), **wanted}, indent=1))


def command_script(python: Path, root: Path) -> str:
    """`ml-service`, the command on the running system, as `start.py --cli` has it.

    Shell completion asks the command line itself, which needs no system.
    """
    runs, folder = shlex.quote(str(python)), shlex.quote(str(root))
    return f"""\
#!/bin/sh
case "$_ML_SERVICE_COMPLETE$1" in
    *complete_* | --install-completion | --show-completion)
        PYTHONPATH={folder} exec {runs} -m ml_service.cli "$@" ;;
esac
exec {runs} {folder}/start.py --cli "$@"
"""


def _write_command(environment: Environment) -> None:
    """Write it where it is missing or names another folder: the project's may have been moved."""
    file = environment.python.with_name("ml-service")
    script = os.fsencode(command_script(environment.python, environment.root))
    if file.exists() and file.read_bytes() == script:
        return
    file.write_bytes(script)
    file.chmod(0o755)


def _works(environment: Environment) -> bool:
    """Whether there is an interpreter of this very version with a pip that can install."""
    if not environment.has_python:
        return False
    check = "import sys; print(sys.version_info[:2])"
    try:
        done = subprocess.run([environment.python, "-I", "-c", check], capture_output=True, text=True, check=False)
    except OSError:  # made for another kind of processor, or an empty file
        return False
    if done.stdout.strip() != str(sys.version_info[:2]):
        return False
    command = [*_pip(environment), "--version"]
    return subprocess.run(command, env=without_wishes(os.environ), capture_output=True, check=False).returncode == 0


def _has_ensurepip() -> bool:
    return (
        importlib.util.find_spec("ensurepip") is not None
        and importlib.util.find_spec("ensurepip._uninstall") is not None
    )


def _pip(environment: Environment) -> list[str]:
    if list(environment.folder.glob("lib/python3*/site-packages/pip/__init__.py")):
        return [str(environment.python), "-I", "-m", "pip"]
    # Debian without python3-venv: the system's pip can work on another environment (since 22.3).
    return [sys.executable, "-m", "pip", "--python", str(environment.python)]


def _refuse_folder(root: Path) -> None:
    """Python makes no environment where there is the one, PostgreSQL no database where there is the other."""
    for what, name in ((os.pathsep, "colon"), ("\n", "line break"), ("\r", "line break")):
        if what in str(root):
            raise EngineError(f"The project's folder {str(root)!a} has a {name} in its path: move it to one without.")


def _create(environment: Environment) -> None:
    _refuse_folder(environment.root)
    tell(f"Preparing {environment.folder.name} (once; the download is some 370 MB)")
    # Debian keeps what `venv` puts pip in with in a package of its own; then the system's pip does it from outside.
    said = ""
    for options in ([], ["--without-pip"]):
        shutil.rmtree(environment.folder, ignore_errors=True)
        command = [sys.executable, "-m", "venv", *options, str(environment.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and _works(environment):
            return
        said = said or (done.stderr or done.stdout).strip()
    shutil.rmtree(environment.folder, ignore_errors=True)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise EngineError(
        f"This Python can make no environment: install its venv module (Debian, Ubuntu: apt install "
        f"python{version}-venv) and start again. It said: {said}"
    )


def _install(environment: Environment, locks: Sequence[Path]) -> None:
    var = environment.root / "var"
    for name in ("logs", "cache", "tmp"):
        (var / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    log = var / "logs" / "setup.log"
    # Its cache outlives an interruption and nothing else; neither it nor what pip unpacks leaves the project's folder.
    pip = _pip(environment)
    env = {**variables(pip), "PIP_CACHE_DIR": str(var / "cache"), "TMPDIR": str(var / "tmp")}
    report = var / "tmp" / "installed.json"
    options = ["--require-hashes", "--disable-pip-version-check", "--no-color", "--progress-bar", "off"]
    options += ["--no-warn-script-location", "--no-compile", "--report", str(report)]
    command = [*pip, "install", *options]
    for lock in locks:
        command += ["-r", str(lock)]
    total = len(names_in(locks))
    with subprocess.Popen(
        command,
        cwd=environment.root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            lines = show_progress(process, log, total)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    lacking = missing(report, environment.folder) if process.returncode == 0 else []
    shutil.rmtree(var / "tmp", ignore_errors=True)
    if process.returncode != 0:
        tail = "\n".join(lines[-_FAILED_LINES_MAX:])
        raise EngineError(f"The installation failed (all of it: {log}). Start again to go on from here.\n{tail}")
    if lacking:
        raise EngineError(
            f"pip has installed these elsewhere than in {environment.folder} ({log}): {', '.join(lacking)}"
        )
    shutil.rmtree(var / "cache", ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    """Prepare the environment and become `python -m engine …` in it; returns only when that fails."""
    set_quiet(read(arguments)[0].quiet)  # a slip is said before anything is installed
    own = before_cli(arguments)
    environment = Environment()
    if not environment.has_python and (engine := _engine_of(arguments)):
        if engine == "docker":
            return _become(sys.executable, arguments)
        arguments = ["--engine", engine, *arguments]  # decided: it is not asked, and answered, again
    # A look, a stop or a help text should install no 900 MB first, nor fail in an environment of another Python.
    harmless = {"--stop", "--status", "--logs", "--help", "-h", "--doctor", "--systemd", "--version"} & set(own)
    try:
        if harmless and not environment.is_usable:
            return _without_environment(environment, arguments)
        if not harmless:
            ensure(environment, tests="--test" in own)
    except EngineError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("\nStopped. What is already downloaded is kept: the next start goes on from here.")
        return 130
    return _become(str(environment.python), arguments)


def _become(python: str, arguments: Sequence[str]) -> int:
    """Let the engine take this process's place: one process to signal, one to wait for."""
    os.execve(python, [python, "-s", "-m", "engine", *arguments], _own_variables())  # noqa: S606 - no shell is wanted
    raise AssertionError


def _own_variables() -> dict[str, str]:
    """No PYTHON* variable of the caller's goes along: they name modules, encodings and places of other programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _engine_of(arguments: Sequence[str]) -> str | None:
    """The engine that is meant, where that has to be known before there is an environment; None where it has not.

    Where containers do what is asked, this machine needs no environment of ours, only this Python.
    """
    options, _ = parse(arguments)
    if options.test or options.doctor or options.systemd or options.supervise or options.version:
        return None
    is_start = options.start or options.restart or options.workers
    try:
        engine = choice.of(options)
    except EngineError:
        return "docker"  # it is said again, and in full, where it is caught
    return engine if is_start or engine == "docker" else None


def _without_environment(environment: Environment, arguments: Sequence[str]) -> int:
    """Do what needs no environment: there is none, one that is not known to be whole, or one of another Python."""
    if not {"--stop", "--status", "--logs"} & set(arguments):
        return _become(sys.executable, arguments)
    holder = lock_holder(PROJECT)
    if holder is None:
        if _engine_of(arguments) == "docker":
            return _become(sys.executable, arguments)
        say("Nothing runs here. Start it with: python3 start.py --start")
        return 0 if "--stop" in arguments else EXIT_NOT_RUNNING
    if _runs_engine(environment):
        return _become(str(environment.python), arguments)
    if "--stop" not in arguments:
        why = _NOT_WHOLE if _works(environment) else _OF_ANOTHER_PYTHON
        say(f"{why} Its logs are in var/logs. To have a whole one: python3 start.py --stop, then --start.")
        return 1
    return _stop(holder)


def _runs_engine(environment: Environment) -> bool:
    """Whether it has what the engine needs, whatever the stamp says.

    It has while locks are installed over it, after that failed, and after its interpreter has moved.
    """
    command = [str(environment.python), "-s", "-c", "import engine.native.commands"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, cwd=ROOT, env=_own_variables(), capture_output=True, check=False).returncode == 0
    return False


def _stop(supervisor: int) -> int:
    """Ask the supervisor to end, as systemd would; what it started goes with it.

    It is never killed here: its own patience with each process has an end, which settings may put hours away.
    """
    if not supervisor:
        raise EngineError(f"{PROJECT.lock_file} is held by a process that is not known.")
    tell("  stopping all")
    told_after = time.monotonic() + _LONG_STOP_S
    while lock_holder(PROJECT) == supervisor:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        if time.monotonic() > told_after:
            tell(f"  workers finish what they have begun. To end all at once instead: kill -9 {supervisor}")
            told_after = math.inf
        time.sleep(0.1)
    tell("Stopped. The data stay in var/.")
    return 0
