"""An environment of its own for each model whose folder has a ``requirements.txt``, in ``var/models/<name>``.

What it does not have itself it finds in the project's `.venv`, for a model's process runs our code too. One's own
models always have theirs, bundled ones where the settings or a pool name them.

``<name>`` is a link to ``.<name>/<hash of what it holds>``, so that a second start costs nothing. Another one is made
beside it, and the link moves when that is whole: processes run from the old one, which goes when the service starts.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.command_line import MODEL_IMPORTS, MODEL_TRIAL_OPTIONS, MODEL_TRIALS
from engine.common.errors import EngineError
from engine.common.output import say, tell
from engine.common.pip_environment import missing, variables
from engine.common.state import PROJECT, ROOT, lock_holder
from engine.native.environment import collected
from ml_service.platform.settings.ml_worker import WorkerSettings

BUNDLED_FOLDER = ROOT / "ml_service" / "runtime" / "bundled"
REQUIREMENTS = "requirements.txt"
_FAILED_LINES_MAX = 5
_STAMP = "requirements.sha256"
_WORDS = re.compile(r"(?:(?<!\S)-[rc])?([^\s=]+)")
"""Of a file of requirements; those that are files are what it includes (``-r base.txt``), or installs."""
_COMMENT = re.compile(r"(^|\s)#.*", re.MULTILINE)
"""As pip leaves it out: a ``#`` within a word belongs to an address."""
_DIGEST_CHARS = 16
# A bundled model's requirements are complete, each with its hash: what those packages require is not asked for.
_BUNDLED_OPTIONS = ("--no-deps", "--require-hashes", "--only-binary", ":all:")


def folder() -> Path:
    """Where the environments are."""
    return PROJECT.var / "models"


def models_folder() -> Path:
    """Where the models are, as a worker finds them."""
    return ROOT / collected(WorkerSettings, ROOT).get("MODELS_FOLDER", "models")


def tried(arguments: Sequence[str]) -> list[str]:
    """The model that a command of `ml-service` is going to run itself, if it is going to run one."""
    runs = {*arguments[1:2]} & {*MODEL_TRIALS, *MODEL_IMPORTS}
    if list(arguments[:1]) != ["models"] or not runs or "--help" in arguments:
        return []
    words = iter(arguments[2:])
    for word in words:
        if word in MODEL_TRIAL_OPTIONS:
            next(words, None)
        elif not word.startswith("-"):
            return [word.removeprefix("+")]
    return []


def ensure(names: Collection[str]) -> None:
    """Make the environments of these models as their requirements say.

    One that cannot be made is said, and holds nothing up: its model keeps what it has, or says which package it lacks.
    """
    _ensure({name: file for name, file in _requirements(names).items() if name in names})


def ensure_all(named: Collection[str]) -> None:
    """Make all environments, and remove the others before anything runs; of bundled models these are asked for."""
    wanted = _requirements(named)
    _ensure(wanted)
    there = [each.name.removeprefix(".") for each in folder().glob("*/")]
    for name in sorted({*there}):
        with _alone(name):
            _remove_unused(name, is_wanted=name in wanted)


def ensure_new(named: Collection[str]) -> None:
    """Make them beside what the service runs from, which stays as it is: `ensure_all` lets the links lead to them."""
    for name, requirements in _requirements(named).items():
        with _alone(name):
            _make(name, requirements)


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
    if environment := _make(name, requirements):
        _link(name, environment)


def _make(name: str, requirements: Path) -> Path | None:
    """Make it beside the others, if it is not there; None where it cannot be made."""
    digest = _digest(requirements)
    environment = folder() / f".{name}" / digest
    if not (environment / _STAMP).exists():
        tell(f"  installing what the model {name} needs")
        shutil.rmtree(environment, ignore_errors=True)  # an installation that was broken off
        if not _made(name, environment, requirements):
            shutil.rmtree(environment, ignore_errors=True)
            return None
        (environment / _STAMP).write_text(digest)
    return environment


def _link(name: str, environment: Path) -> None:
    link = folder() / name
    if link.resolve() == environment.resolve():
        return
    if link.exists() and not link.is_symlink() and lock_holder(PROJECT) is not None:
        say(f"  the model {name} keeps the environment of an earlier version until: python3 start.py --restart")
        return
    _remove_folder(link)
    new = environment.with_name("new")
    new.unlink(missing_ok=True)
    new.symlink_to(environment.relative_to(folder()))
    new.replace(link)


def _digest(requirements: Path) -> str:
    """A hash of all that an environment is made from: the interpreter, and each file that the requirements name."""
    digest = hashlib.sha256(f"{sys.version}\0{sys.prefix}\0".encode())
    # By where each really is, so that none is read twice; what it includes is beside the name that it has here, as pip
    # looks for it.
    files = {requirements.resolve()}
    unread = [requirements]
    for file in unread:  # which grows
        content = file.read_bytes()
        digest.update(f"{len(content)}\0".encode() + content)
        text = "" if b"\0" in content else content.decode(errors="replace")
        for word in _WORDS.findall(_COMMENT.sub("", text)):
            included = file.parent / word
            if os.path.isfile(included) and included.resolve() not in files:  # noqa: PTH113 - Path refuses long words
                files.add(included.resolve())
                unread.append(included)
    return digest.hexdigest()[:_DIGEST_CHARS]


def _made(name: str, environment: Path, requirements: Path) -> bool:
    """Make it; returns whether it is whole."""
    log = PROJECT.logs / f"model-{name}.log"
    try:
        said = _fill(environment, requirements)
    except EngineError as error:
        said = str(error)
        tail = "\n    ".join(said.strip().splitlines()[-_FAILED_LINES_MAX:])
        say(f"  What the model {name} needs cannot be installed (all of it: {log}):\n    {tail}")
        return False
    finally:
        log.write_text(said)
    shutil.rmtree(environment / "cache", ignore_errors=True)
    _add_project(environment)
    return True


def _fill(environment: Path, requirements: Path) -> str:
    """Make it and install into it; returns what was said, raises EngineError with that where it failed."""
    pip = [sys.executable, "-m", "pip"]
    # Its temporary files and its cache stay in the project's folder, and go with the environment.
    env = {**variables(pip), "PIP_CACHE_DIR": str(environment / "cache")}
    options = _BUNDLED_OPTIONS if requirements.is_relative_to(BUNDLED_FOLDER) else ()
    report = environment / "installed.json"
    said = ""
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(environment)],
        [
            *(*pip, "--python", str(environment / "bin" / "python"), "install", "--disable-pip-version-check"),
            *("--no-color", "--progress-bar", "off", *options, "--report", str(report), "-r", str(requirements)),
        ],
    ):
        done = subprocess.run(
            command,
            cwd=requirements.parent,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        said = done.stdout + done.stderr
        if done.returncode != 0:
            raise EngineError(said)
    if lacking := missing(report, environment):
        raise EngineError(f"{said}\npip has installed these elsewhere than in {environment}: {', '.join(lacking)}")
    return said


def _remove_unused(name: str, *, is_wanted: bool) -> None:
    """Remove what a model's link does not lead to, and with a model that went, the link."""
    link = folder() / name
    if not is_wanted:
        _remove_folder(link)
        link.unlink(missing_ok=True)
    for each in (folder() / f".{name}").glob("*"):
        if each.resolve() != link.resolve():
            shutil.rmtree(each, ignore_errors=True)
    if not is_wanted:
        shutil.rmtree(folder() / f".{name}", ignore_errors=True)


def _remove_folder(link: Path) -> None:
    """Make room where an environment was a folder itself, as in earlier versions."""
    if not link.is_symlink():
        shutil.rmtree(link, ignore_errors=True)


def _add_project(environment: Path) -> None:
    """Let it find the project's packages, after its own.

    A path is a line by itself in such a file only where it is UTF-8 and has no line break; a line of Python holds any.
    """
    (site_packages,) = environment.glob("lib/python3*/site-packages")
    line = f"import sys; sys.path.append({sysconfig.get_path('purelib')!a})\n"
    (site_packages / "ml-service.pth").write_text(line)
