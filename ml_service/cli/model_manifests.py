"""Writes a model's ``weights.json``: which of its files are weights, and how large and what they are now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from ml_service.cli.common import counted, size_of
from ml_service.domain.errors import InvalidInput
from ml_service.runtime.author import WrongWeights
from ml_service.runtime.author.weights import PICKLE_SUFFIXES, files_in, manifest_of, may_be_weights, package_of, read
from ml_service.runtime.host.model_files import FILES_MAX
from ml_service.runtime.locations import MANIFEST_FILE

_SUFFIXES = PICKLE_SUFFIXES | {
    *(".safetensors", ".onnx", ".skops", ".npz", ".npy", ".gguf", ".bin", ".ftz", ".tflite", ".h5", ".keras")
}
LARGE_BYTES = 2**20
"""A file of this size beside a model's code is taken for weights whatever it is called."""


def text_of(folder: Path, wanted: Sequence[str]) -> str:
    """Return the manifest of a model's folder.

    Args:
        folder: The model's.
        wanted: Files and folders inside of it; none for what looks like weights, and what the manifest has of packages.

    Raises:
        InvalidInput: There are none, or one cannot be named; the message says why.
    """
    try:
        names = _named(folder, wanted) if wanted else [*weights_in(folder), *_of_packages(folder)]
        if not names:
            raise InvalidInput(
                f"There are no weights in {folder}. Put the files there first; if they are, name them: "
                f"python3 start.py --cli models manifest {folder.name.replace('_', '-')} FILE"
            )
        return manifest_of(folder, names)
    except WrongWeights as error:
        raise InvalidInput(str(error)) from None


def write(folder: Path, text: str) -> Path:
    """Put a manifest into a model's folder, as a whole: the one before stays until then. Returns its path.

    Raises:
        InvalidInput: It cannot be written.
    """
    file = (folder / MANIFEST_FILE).resolve()  # a link stays one
    new = file.with_name(f".{file.name}.new")
    try:
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"{file} cannot be written here ({error.strerror}): put there what --print prints."
        ) from error
    return file


def weights_in(folder: Path) -> list[str]:
    """Return the names of files that look like weights, and of all files in subfolders that hold such ones."""
    names = []
    for top in sorted(folder.iterdir()):
        files = _files(top, folder) if top.is_dir() else [top.relative_to(folder)]
        files = [one for one in files if may_be_weights(folder, one)]
        if any(_looks_like_weights(folder / one) for one in files):
            names += [one.as_posix() for one in files]
    return names


def unverified(folder: Path) -> list[str]:
    """Return the names of files that look like weights and are in no manifest."""
    named = _readable(folder)
    return [name.encode(errors="replace").decode() for name in weights_in(folder) if name not in named]


def summary(folder: Path) -> str:
    """Say what the manifest holds; empty where there is none."""
    files = read(folder)
    size = sum(one.size for one in files.values())
    are = "is" if len(files) == 1 else "are"
    return f"{counted(len(files), 'file')} of weights, {size_of(size)}, {are} as {MANIFEST_FILE} says." if files else ""


def _readable(folder: Path) -> Collection[str]:
    """What the manifest names; nothing where it is damaged, for another one is to take its place."""
    try:
        return read(folder)
    except WrongWeights:
        return ()


def _of_packages(folder: Path) -> list[str]:
    return [name for name in _readable(folder) if package_of(folder, name)]


def _named(folder: Path, wanted: Sequence[str]) -> list[str]:
    names = []
    for one in wanted:
        name = one if package_of(folder, one) else Path(one).as_posix()  # without ./ and //
        inside = _files(folder / name, folder) if (folder / name).is_dir() else []
        names += [each.as_posix() for each in inside if may_be_weights(folder, each)] or [name]
    return names


def _files(top: Path, folder: Path) -> list[Path]:
    found = list(islice(files_in(top, folder), FILES_MAX + 1))
    if len(found) > FILES_MAX:
        raise InvalidInput(f"{top} has more than {FILES_MAX:,} files: name those that are weights.")
    return found


def _looks_like_weights(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES or (file.is_file() and file.stat().st_size >= LARGE_BYTES)
