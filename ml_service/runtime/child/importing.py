"""How a model's process finds the one class in a model's folder. Imports little: each model has its own process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ml_service.runtime.author import Model
from ml_service.runtime.child.reports import place_of, print_way_to
from ml_service.runtime.locations import BUNDLED_FOLDER


def how_to_install(folder: Path) -> str:
    """Return a sentence on how the model in this folder gets a package that it lacks."""
    if not (folder / "requirements.txt").exists():
        return "Name its package in requirements.txt beside model.py."
    return (
        "python3 start.py --restart installs what requirements.txt names, in containers an image of your own has it "
        '(docs/models.md, "Packages").'
    )


class ModelImportError(Exception):
    """A folder that is no model; the message, one sentence, names the file and what is wrong."""


def import_model(name: str, path: str) -> type[Model]:
    """Import the model's file and return its class.

    Args:
        name: What the folder promises.
        path: The folder's ``model.py``.

    Raises:
        ModelImportError: The file cannot be imported or does not hold the one class it should.
    """
    file = Path(path)
    try:
        module = _import_file(file)
    except ModuleNotFoundError as error:
        missing = f"{file} needs the Python package {error.name!r}, not installed here."
        raise ModelImportError(f"{missing} {how_to_install(file.parent)}") from error
    except MemoryError:
        raise
    except BaseException as error:
        print_way_to(error, file.parent)
        what = _in_one_line(error) + place_of(error, file.parent)
        raise ModelImportError(f"{file} cannot be imported: {what}") from error
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Model)
        and value is not Model
        and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        classes = ", ".join(sorted(each.__name__ for each in found)) or "none"
        raise ModelImportError(f"{file} must define exactly one subclass of Model; it defines {classes}.")
    declared = getattr(found[0], "name", None)
    if declared != name:
        raise ModelImportError(f"{file} calls its model {declared!r}; its folder's name promises {name!r}.")
    return found[0]


def _import_file(file: Path) -> ModuleType:
    if file.is_relative_to(BUNDLED_FOLDER):
        return importlib.import_module(f"ml_service.runtime.bundled.{file.parent.name}.{file.stem}")
    # A user's own folder is where its imports are looked for first, as if the file had been started there.
    sys.path.insert(0, str(file.parent))
    name = "model"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _in_one_line(error: BaseException) -> str:
    what = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {what}"
