"""An environment of its own for each model whose folder has a ``requirements.txt``, in ``var/models/<name>``.

What it does not have itself it finds in the project's `.venv`, for a model's process runs our code too. A stamp says
which requirements it holds, so that a second start costs nothing. One's own models always have theirs, bundled ones
where the settings or a pool name them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.command_line import MODEL_TRIALS
from engine.common.output import say, tell
from engine.common.state import PROJECT, ROOT
from engine.native.environment import collected
from ml_service.platform.settings.worker import WorkerSettings

BUNDLED_FOLDER = ROOT / "ml_service" / "runtime" / "bundled"
REQUIREMENTS = "requirements.txt"
_FAILED_LINES_MAX = 5
# A bundled model's requirements are complete, each with its hash: what those packages require is not asked for.
_BUNDLED_OPTIONS = ("--no-deps", "--require-hashes", "--only-binary", ":all:")


def folder() -> Path:
    """Where the environments are."""
    return PROJECT.var / "models"


def models_folder() -> Path:
    """Where the models are, as a worker finds them."""
    return ROOT / collected(WorkerSettings, ROOT).get("MODELS_FOLDER", "models")


def tried(arguments: Sequence[str]) -> list[str]:
    """The models that a command of `ml-service` is going to run itself."""
    words = [one.removeprefix("+") for one in arguments if not one.startswith("-")]
    return words[2:3] if words[:1] == ["models"] and words[1:2] and words[1] in MODEL_TRIALS else []


def ensure(names: Collection[str]) -> None:
    """Make the environments of these models as their requirements say.

    One that cannot be made is said, and holds nothing up: its model then says which package it lacks.
    """
    _ensure({name: file for name, file in _requirements(names).items() if name in names})


def ensure_all(named: Collection[str]) -> None:
    """Make all environments, and remove those of models that went; of bundled models these are asked for."""
    wanted = _requirements(named)
    _ensure(wanted)
    for each in folder().iterdir() if folder().is_dir() else ():
        if each.is_dir() and each.name not in wanted:
            shutil.rmtree(each, ignore_errors=True)


def ensure_new(named: Collection[str]) -> None:
    """Make those that are not there yet, while the service runs: no process uses them."""
    _ensure({name: file for name, file in _requirements(named).items() if not (folder() / name).exists()})


def _requirements(named: Collection[str]) -> dict[str, Path]:
    """The files of all one's own models, and of those bundled ones among ``named`` that none of them replaces."""
    own = {_model(each): each / REQUIREMENTS for each in models_folder().glob("[!_.]*/")}
    bundled = {_model(each.parent): each for each in BUNDLED_FOLDER.glob(f"*/{REQUIREMENTS}")}
    files = {**{name: file for name, file in bundled.items() if name in named}, **own}
    return {name: file for name, file in sorted(files.items()) if file.exists()}


def _model(folder: Path) -> str:
    return folder.name.replace("_", "-")


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Wait for another terminal that installs the same: two at once would break the environment."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"  waiting for another start.py, which installs what the model {name} needs")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ensure(files: Mapping[str, Path]) -> None:
    for name, requirements in files.items():
        with _alone(name):
            _install(name, requirements)


def _install(name: str, requirements: Path) -> None:
    environment = folder() / name
    stamp = environment / "requirements.sha256"
    digest = hashlib.sha256(f"{sys.version}\0{sys.prefix}\0".encode() + requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    tell(f"  installing what the model {name} needs")
    shutil.rmtree(environment, ignore_errors=True)
    python = environment / "bin" / "python"
    options = _BUNDLED_OPTIONS if requirements.is_relative_to(BUNDLED_FOLDER) else ()
    log = PROJECT.logs / f"model-{name}.log"
    # Its temporary files and its cache stay in the project's folder, and go with the environment.
    more = {"PIP_CACHE_DIR": str(environment / "cache"), "PIP_NO_INPUT": "1"}
    steps = (
        [sys.executable, "-m", "venv", "--without-pip", str(environment)],
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "--disable-pip-version-check"),
            *("--no-color", "--progress-bar", "off", *options, "-r", str(requirements)),
        ],
    )
    for command in steps:
        done = subprocess.run(
            command, cwd=requirements.parent, env={**os.environ, **more}, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        log.write_text(said)
        if done.returncode != 0:
            shutil.rmtree(environment, ignore_errors=True)
            tail = "\n    ".join(said.strip().splitlines()[-_FAILED_LINES_MAX:])
            say(f"  What the model {name} needs cannot be installed (all of it: {log}):\n    {tail}")
            return
    shutil.rmtree(environment / "cache", ignore_errors=True)
    _add_project(environment)
    stamp.write_text(digest)


def _add_project(environment: Path) -> None:
    """Let it find the project's packages, after its own."""
    (site_packages,) = environment.glob("lib/python3*/site-packages")
    (site_packages / "ml-service.pth").write_text(sysconfig.get_path("purelib") + "\n")
