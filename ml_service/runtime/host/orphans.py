"""Ends what a model has started and left behind, whichever session or group it is in.

On Linux the worker and each model's process are "subreapers" (prctl(2)): a program whose parent has ended becomes the
child of the nearest one above it. While a model runs, all that it started is below it; when its process ends, all of
that becomes the worker's. The worker itself starts nothing but models, so whatever else is its child is such a rest.

Elsewhere (macOS) the process group is ended, and a program in a session of its own stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS_MAX = 100
_PAUSE_S = 0.02

_adopts = False
_others: frozenset[int] = frozenset()


def adopt_orphans() -> None:
    """Let what models leave behind become this process's children.

    Only for a process that starts no other children than models from now on: `end_orphans` kills all the rest, except
    the children that it has already.
    """
    global _adopts, _others  # noqa: PLW0603 - it is a property of the process
    if sys.platform == "linux":
        _others = frozenset(_children())
        _adopts = _become_subreaper(1)


def leave_orphans() -> None:
    """End an `adopt_orphans`: from now on this process may start what it likes."""
    global _adopts  # noqa: PLW0603 - as above
    if _adopts:
        _become_subreaper(0)
        _adopts = False


def _become_subreaper(whether: int) -> bool:
    return bool(
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(whether), *[ctypes.c_ulong(0)] * 3) == 0
    )


async def end_orphans(models: Collection[int]) -> None:
    """Kill and reap every child of this process but ``models``; does nothing without `adopt_orphans`."""
    for _ in range(_ROUNDS_MAX if _adopts else 0):
        # Scanned and killed without a pause between, so that no model's process starts meanwhile.
        orphans = [pid for pid in _children() if pid not in models and pid not in _others]
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(_PAUSE_S)
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222 - it does not wait


def _children() -> list[int]:
    me = os.getpid()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == me]


def _parent(process: Path) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        # proc(5): "pid (name) state ppid …"; the name may hold spaces and parentheses.
        return int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return 0
