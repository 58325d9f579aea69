"""A new model from a template: a folder of ``models/`` whose name begins with ``_``."""

from __future__ import annotations

import keyword
import re
import shutil
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from ml_service.domain.errors import InvalidInput
from ml_service.runtime.locations import BUNDLED_FOLDER, MODEL_FILE

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CLASS = re.compile(r"^class (\w+)\(Model\):", re.MULTILINE)
_NAMED = re.compile(r'^    name = "[^"]*".*$', re.MULTILINE)
_WORD = re.compile(r"\w+")
_TEMPLATES = Path(__file__).parents[2] / "models"


class Template(StrEnum):
    """What a model may begin as."""

    PYTHON = "python"
    SKLEARN = "sklearn"
    ONNX = "onnx"
    HUGGINGFACE = "huggingface"
    OPENAI = "openai"


def create(name: str, template: Template, folder: Path) -> Path:
    """Copy a template into a folder of models, under a name of its own; returns the new folder.

    Raises:
        InvalidInput: The name cannot be a model's, is taken, or the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no model's name: lower case letters, digits and hyphens, up to 63.")
    taken = [each for root in (folder, BUNDLED_FOLDER) for each in (root / name, root / name.replace("-", "_"))]
    if there := [each for each in taken if each.exists()]:
        raise InvalidInput(f"There is a model {name} already: {there[0]}.")
    new = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Hidden until it is whole: half a model would be served, and would keep its name from another attempt.
        with TemporaryDirectory(prefix=f".{name}-", dir=folder, ignore_cleanup_errors=True) as hidden:
            made = Path(hidden, name)
            shutil.copytree(_TEMPLATES / f"_{template}", made, ignore=shutil.ignore_patterns("__pycache__", "weights"))
            file = made / MODEL_FILE
            file.write_text(_named(file.read_text(encoding="utf-8"), name), encoding="utf-8")
            made.rename(new)
    except OSError as error:
        raise InvalidInput(
            f"{new} cannot be written here ({_reason(error)}). From outside of a container: "
            f"cp -r models/_{template} models/{name}, then put the name into its {MODEL_FILE}."
        ) from error
    return new


def _named(text: str, name: str) -> str:
    text = _NAMED.sub(f'    name = "{name}"', text, count=1)
    words = "".join(word.capitalize() for word in name.split("-"))
    taken = {*_WORD.findall(_CLASS.sub("", text, count=1)), *keyword.kwlist}
    free = (one for one in (words, f"{words}Model", f"Model{words}") if one.isidentifier() and one not in taken)
    return _CLASS.sub(f"class {next(free)}(Model):", text, count=1)


def _reason(error: OSError) -> str:
    nested = error.args[0] if isinstance(error, shutil.Error) else None
    return str(nested[0][-1] if isinstance(nested, list) else error.strerror)
