"""An environment of its own for each model whose folder has a ``requirements.txt``, in ``var/models/<name>``.

What it does not have itself it finds in the project's `.venv`, for a model's process runs our code too. A stamp says
which requirements it holds, so that a second start costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from engine.command_line import MODEL_TRIALS
from engine.common.output import say, tell
from engine.common.state import PROJECT, ROOT

REQUIREMENTS = "requirements.txt"
_FAILED_LINES_MAX = 5


def folder() -> Path:
    """Where the environments are."""
    return PROJECT.var / "models"


def models_folder() -> Path:
    """Where the models are."""
    return Path(os.environ.get("MODELS_FOLDER") or ROOT / "models")


def tried(arguments: Sequence[str]) -> list[str]:
    """The models that a command of `ml-service` is going to run itself."""
    words = [one for one in arguments if not one.startswith("-")]
    return words[2:3] if words[:1] == ["models"] and words[1:2] and words[1] in MODEL_TRIALS else []


def ensure(names: Sequence[str] | None = None) -> None:
    """Make the environments of these models, or of all, as their requirements say; remove those of models that went.

    One that cannot be made is said, and holds nothing up: its model then says which package it lacks.
    """
    wanted = {
        each.parent.name.replace("_", "-"): each for each in sorted(models_folder().glob(f"[!_.]*/{REQUIREMENTS}"))
    }
    for name, requirements in wanted.items():
        if names is None or name in names:
            _ensure(name, requirements)
    if names is None and folder().is_dir():
        for each in folder().iterdir():
            if each.name not in wanted:
                shutil.rmtree(each, ignore_errors=True)


def _ensure(name: str, requirements: Path) -> None:
    environment = folder() / name
    stamp = environment / "requirements.sha256"
    digest = hashlib.sha256(f"{sys.version}\0{sys.prefix}\0".encode() + requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    tell(f"  installing what the model {name} needs")
    shutil.rmtree(environment, ignore_errors=True)
    python = environment / "bin" / "python"
    log = PROJECT.logs / f"model-{name}.log"
    # Its temporary files and its cache stay in the project's folder, and go with the environment.
    more = {"PIP_CACHE_DIR": str(environment / "cache"), "PIP_NO_INPUT": "1"}
    steps = (
        [sys.executable, "-m", "venv", "--without-pip", str(environment)],
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "--disable-pip-version-check"),
            *("--no-color", "--progress-bar", "off", "-r", str(requirements)),
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
