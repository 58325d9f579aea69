"""Where the models are: those that come with the service, and the user's own in ``models/<folder>/model.py``.

Nothing is imported here: a model's code runs in its own process, so a broken one cannot break the worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ml_service.runtime.importing import BUNDLED_FOLDER, MODEL_FILE

USER_FOLDER = Path("models")
# Served only where somebody names them: they measure the service, and are of no use to its users.
ONLY_BY_NAME = frozenset({"echo"})

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_log = structlog.get_logger(__name__)


class UnknownModel(Exception):
    """A model that was asked for by name is not there; the message says which ones are."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model's process finds the model.

    Attributes:
        name: What requests name, and what the class in the file must call itself.
        path: The absolute path of its ``model.py``.
        is_bundled: It comes with the service.
    """

    name: str
    path: Path
    is_bundled: bool = False


def discover(names: Iterable[str] | None = None, folder: Path = USER_FOLDER) -> dict[str, ModelSource]:
    """Find the models, by name.

    Folders that are no model are logged, one sentence each, and left out.

    Args:
        names: Which ones; None for all but those of `ONLY_BY_NAME`.
        folder: The user's own. One that is called like a bundled model takes its place.

    Raises:
        UnknownModel: One of ``names`` is not there.
    """
    found, problems = survey(folder)
    for problem in problems:
        _log.warning("model folder left out", reason=problem)
    if names is None:
        return {name: source for name, source in found.items() if name not in ONLY_BY_NAME}
    wanted = list(dict.fromkeys(names))
    missing = [name for name in wanted if name not in found]
    if missing:
        there = ", ".join(found) or "none"
        raise UnknownModel(f"There is no model {', '.join(missing)}; there are: {there}.")
    return {name: found[name] for name in wanted}


def survey(folder: Path = USER_FOLDER) -> tuple[dict[str, ModelSource], list[str]]:
    """Return all models by name, sorted, and a sentence about each folder that is none."""
    found: dict[str, ModelSource] = {}
    problems: list[str] = []
    for root, is_bundled in ((BUNDLED_FOLDER, True), (folder.absolute(), False)):
        for each in sorted(root.iterdir()) if root.is_dir() else []:
            if not each.is_dir() or each.name.startswith(("_", ".")):
                continue
            name = each.name.replace("_", "-")
            if not (each / MODEL_FILE).is_file():
                problems.append(f"{each} has no {MODEL_FILE}.")
            elif not _NAME.fullmatch(name):
                problems.append(f"{each} has no model's name: lower case letters, digits and hyphens, up to 63.")
            else:
                found[name] = ModelSource(name, each / MODEL_FILE, is_bundled)
    return dict(sorted(found.items())), problems
