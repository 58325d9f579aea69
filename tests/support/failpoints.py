"""Runs a program of ours with a fault in it: `python -m tests.support.failpoints <module> [fault …]`.

The product has no hook for this. A fault wraps a function of the product, named by its dotted path, before the program
runs:

    <dotted name>@before=<deed>      <dotted name>@after=<deed>      <dotted name>@instead=<deed>
    clock=<seconds>                  mutation=<name>                 (see mutations.py)

where the deed is `exit` (as kill -9), `raise`, `sleep:<seconds>` or `nothing`. With `?<file>` at the end it happens
once, when that file is there, and takes the file away: so a test arms it under load, and one process falls into it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import importlib
import inspect
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class InjectedFault(Exception):
    """A bug, as it were."""


def _is_armed(file: str) -> bool:
    if not file:
        return True
    try:
        Path(file).unlink()
    except FileNotFoundError:
        return False
    return True


async def _do(deed: str) -> None:
    what, _, number = deed.partition(":")
    if what == "sleep":
        await asyncio.sleep(float(number))
    elif what == "exit":
        os._exit(137)
    elif what == "raise":
        raise InjectedFault


def _find(name: str) -> tuple[Any, str]:
    """The owner (module or class) and the attribute of a dotted name."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:-1]:
            owner = getattr(owner, part)
        return owner, parts[-1]
    raise LookupError(name)


def wrap(name: str, when: str, deed: str, file: str = "") -> None:
    """Put a fault before, after or instead of an async function."""
    owner, attribute = _find(name)
    function = getattr(owner, attribute)
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} is no async function")

    @functools.wraps(function)
    async def wrapped(*args: Any, **options: Any) -> Any:
        if when == "after":
            result = await function(*args, **options)
            if _is_armed(file):
                await _do(deed)
            return result
        if _is_armed(file):
            await _do(deed)
            if when == "instead":
                return None
        return await function(*args, **options)

    setattr(owner, attribute, wrapped)


def shift_clock(seconds: float) -> None:
    """Let this process believe that it is later; before anything else is imported."""
    real_time, real_ns = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return dt.datetime.now(tz) + dt.timedelta(seconds=seconds)

    # The one library of ours that asks datetime for the time; in datetime itself the class cannot be replaced.
    importlib.import_module("jwt.api_jwt").datetime = Shifted  # type: ignore[attr-defined]


def set_up(fault: str) -> None:
    """Make one fault of the command line."""
    place, _, deed = fault.partition("=")
    if place == "clock":
        shift_clock(float(deed))
    elif place == "mutation":
        mutations: dict[str, Callable[[], None]] = importlib.import_module("tests.support.mutations").MUTATIONS
        mutations[deed]()
    else:
        name, _, when = place.partition("@")
        deed, _, file = deed.partition("?")
        wrap(name, when, deed, file)


def main() -> None:
    """Make the faults, then be the program."""
    _, program, *faults = sys.argv
    for fault in sorted(faults, key=lambda fault: not fault.startswith("clock=")):
        set_up(fault)
    sys.argv = [program]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
