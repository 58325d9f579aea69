"""A new model from a template: a folder of ``models/`` whose name begins with ``_``."""

from __future__ import annotations

import re
import shutil
from enum import StrEnum
from pathlib import Path

from ml_service.domain.errors import InvalidInput
from ml_service.runtime.locations import BUNDLED_FOLDER, MODEL_FILE

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CLASS = re.compile(r"^class (\w+)\(Model\):", re.MULTILINE)
_NAMED = re.compile(r'^    name = "[^"]*".*$', re.MULTILINE)
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
        shutil.copytree(_TEMPLATES / f"_{template}", new, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    except OSError as error:
        raise InvalidInput(
            f"{new} cannot be written here ({error.strerror}). From outside of a container: "
            f"cp -r models/_{template} models/{name}, then put the name into its {MODEL_FILE}."
        ) from error
    file = new / MODEL_FILE
    text = _NAMED.sub(f'    name = "{name}"', file.read_text(encoding="utf-8"), count=1)
    file.write_text(_CLASS.sub(f"class {_class_name(name)}(Model):", text, count=1), encoding="utf-8")
    return new


def _class_name(name: str) -> str:
    words = "".join(word.capitalize() for word in name.split("-"))
    return words if words[:1].isalpha() else f"Model{words}"
