"""Where the models are: those that come with the service, and the user's own in ``models/<folder>/model.py``.

Nothing is imported here: a model's code runs in its own process, so a broken one cannot break the worker.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ml_service.platform.nearest import nearest
from ml_service.runtime.host.reasons import public_reason
from ml_service.runtime.locations import BUNDLED_FOLDER, MODEL_FILE

USER_FOLDER = Path("models")
# Bundled models that are served only where somebody names them: `echo` measures the service, and is of no use to its
# users; the others would take each worker's memory for what most services do not need.
FOR_BENCHMARKS = "echo"
ONLY_BY_NAME = frozenset({FOR_BENCHMARKS, "embedding-e5", "entities-ru", "file-type", "sentiment-fast"})
BESIDES = "+"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


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

    @property
    def is_gone(self) -> bool:
        """Whether its folder was removed; one that cannot be looked at is still there."""
        try:
            self.path.parent.stat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False


@dataclass(frozen=True, slots=True)
class Discovered:
    """What was found.

    Attributes:
        models: By name.
        problems: A sentence by model name for each folder that is no model, or one of several of the same name.
    """

    models: dict[str, ModelSource]
    problems: dict[str, str]


def discover(
    names: Iterable[str] | None = None, folder: Path = USER_FOLDER, left_out: Collection[str] = ()
) -> Discovered:
    """Find the models.

    Args:
        names: Which ones; None for the usual ones: the user's own, and all bundled ones but those of `ONLY_BY_NAME`.
            A name with a + in front comes besides the usual ones.
        folder: The user's own. One that is called like a bundled model takes its place.
        left_out: Which ones not.

    Raises:
        UnknownModel: One of ``names`` is not there, or all of them have problems.
    """
    there = survey(folder)
    there = Discovered(
        {name: source for name, source in there.models.items() if name not in left_out},
        {name: problem for name, problem in there.problems.items() if name not in left_out},
    )
    asked = [name for name in names or () if name.removeprefix(BESIDES) not in left_out]
    usual = [name for name, source in there.models.items() if not (source.is_bundled and name in ONLY_BY_NAME)]
    if not names:
        return Discovered({name: there.models[name] for name in usual}, there.problems)
    besides = [name for name in asked if name.startswith(BESIDES)]
    wanted = list(dict.fromkeys([*(usual if besides else ()), *(name.removeprefix(BESIDES) for name in asked)]))
    problems = there.problems if besides else {name: there.problems[name] for name in wanted if name in there.problems}
    missing = [name for name in wanted if name not in there.models and name not in problems]
    if missing:
        names = [name for name in there.models if name != FOR_BENCHMARKS]
        known = ", ".join(names) or "none"
        near = [found for name in missing if (found := nearest(name, names))]
        if near:
            known += f". Did you mean {', '.join(near)}?"
        else:
            known += "."
        hint = " The name of a model has - where its folder has _." if any("_" in name for name in missing) else ""
        raise UnknownModel(f"There is no model {', '.join(missing)}; there are: {known}{hint}")
    models = {name: there.models[name] for name in wanted if name not in problems}
    if not models:
        raise UnknownModel(" ".join(problems.values()))
    return Discovered(models, problems)


def is_meant(name: str, names: Collection[str] | None, left_out: Collection[str], there: Discovered) -> bool:
    """Whether `discover` with these arguments looks for the model ``name``, where ``there`` is what `survey` found."""
    if name in left_out:
        return False
    source = there.models.get(name)
    is_usual = source is None or not (source.is_bundled and name in ONLY_BY_NAME)
    asked = names or ()
    return BESIDES + name in asked or name in asked or (is_usual and (not asked or any(map(_is_besides, asked))))


def _is_besides(name: str) -> bool:
    return name.startswith(BESIDES)


def survey(folder: Path = USER_FOLDER) -> Discovered:
    """Return all models, sorted by name, and what is wrong with the other folders."""
    own, problems = _models_in(folder.absolute(), is_bundled=False)
    bundled, _ = _models_in(BUNDLED_FOLDER, is_bundled=True)
    # A broken folder of the user's is not quietly replaced by the bundled model of its name.
    models = {name: source for name, source in {**bundled, **own}.items() if name not in problems}
    return Discovered(dict(sorted(models.items())), problems)


def _models_in(root: Path, *, is_bundled: bool) -> tuple[dict[str, ModelSource], dict[str, str]]:
    found: dict[str, list[Path]] = {}
    problems: dict[str, str] = {}
    try:
        for each in sorted(root.iterdir()) if root.is_dir() else []:
            if each.is_dir() and not each.name.startswith(("_", ".")):
                found.setdefault(each.name.replace("_", "-"), []).append(each)
    except PermissionError:
        problem = f"{root} may not be opened by this user (id {os.getuid()}): chmod a+rx it."
        return {}, {root.name: public_reason(problem, root)}
    for name, folders in found.items():
        if problem := _problem_of(name, folders):
            problems[name] = public_reason(problem, root)
    sources = {
        name: ModelSource(name, folders[0] / MODEL_FILE, is_bundled)
        for name, folders in found.items()
        if name not in problems
    }
    return sources, problems


def _problem_of(name: str, folders: list[Path]) -> str:
    if len(folders) > 1:
        return f"{' and '.join(map(str, folders))} are both the model {name}: rename or remove one."
    (folder,) = folders
    if not _NAME.fullmatch(name):
        return f"{folder} has no model's name: lower case letters, digits and hyphens, up to 63."
    try:
        (folder / MODEL_FILE).stat()
    except PermissionError:
        return f"{folder} may not be opened by this user (id {os.getuid()}): chmod a+rx it."
    except OSError:
        return f"{folder} has no {MODEL_FILE}."
    return ""
