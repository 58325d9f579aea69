"""What is said of an exception that a model raised: its place in a sentence, and a traceback without frames of ours."""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
from pathlib import Path

from ml_service.runtime.locations import MODEL_FILE

_HERE = str(Path(__file__).parent)


def place_of(error: BaseException, folder: Path) -> str:
    """Where in the model's folder it was raised, as " (line 12)" of its model.py; empty where that is not known."""
    file, line = _place(error, folder)
    if file is None:
        return ""
    return f" (line {line})" if file == folder / MODEL_FILE else f" ({file.name}, line {line})"


def full_place_of(error: BaseException, folder: Path) -> str:
    """The same for a log of many models, as "model.py, line 12"."""
    file, line = _place(error, folder)
    if file is None:
        return ""
    return f"{file.relative_to(folder) if file.is_relative_to(folder) else file.name}, line {line}"


def _place(error: BaseException, folder: Path) -> tuple[Path | None, int]:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Path(error.filename), error.lineno
    inside = [one for one in _frames(error) if Path(one.filename).is_relative_to(folder)]
    if not inside or inside[-1].lineno is None:
        return None, 0
    return Path(inside[-1].filename), inside[-1].lineno


def untrusted_types(error: BaseException) -> str:
    """The types for which skops asks to be told that they are trusted, as ``["sklearn.tree._tree.Tree"]``; else empty.

    Its own message is so long that what to do stands behind the cut.
    """
    if type(error).__name__ != "UntrustedTypesFoundException":
        return ""
    with contextlib.suppress(BaseException):
        found = re.search(r"\[([^\]]*)\]", str(error))
        return "" if found is None else f"[{found[1]}]".replace("'", '"')
    return ""


def print_way_to(error: BaseException, folder: Path) -> bool:
    """Print the calls that led to it, for the log; not where the place alone says it: it was raised at the top.

    Returns:
        Whether anything was printed.
    """
    with contextlib.suppress(BaseException):  # a model's exception may fail at being printed
        if isinstance(error, SyntaxError):
            return False
        frames = _frames(error)
        calls = [one for one in frames if not one.name.startswith("<")]  # a comprehension is no call
        if frames and (len(calls) > 1 or not Path(frames[-1].filename).is_relative_to(folder)):
            shown = traceback.TracebackException.from_exception(error)
            shown.stack = traceback.StackSummary.from_list(frames)
            print("".join(shown.format()), end="", file=sys.stderr)  # noqa: T201 - that is the log
            return True
    return False


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames behind our own, which are the same for every model."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "importlib._bootstrap" not in one.filename]
    ours = [place for place, one in enumerate(frames) if one.filename.startswith(_HERE)]
    return frames[ours[-1] + 1 :] if ours else frames
