"""Ends processes that a killed program has left behind, whichever session they are in.

The supervisor is a "subreaper" (prctl(2)): a program whose own parent has ended, and every one above it up to here,
becomes its child. Nothing that we started ourselves comes to us that way, so whatever has is a rest: a helper that a
model put into a session of its own, say, after its worker was killed. Where the supervisor itself was killed, such a
helper is found by a variable in its environment. Elsewhere than on Linux it stays.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

from engine.native.processes import LINUX, name_of, spawned

_PR_SET_CHILD_SUBREAPER = 36
_OF_NODES = ("postgres", "beam", "epmd", "erl")
"""The nodes see to their own when they are started again (their prepare())."""


MARK = "ML_SERVICE_FOLDER"
"""What models and all that they start have in their environment: the state folder of the system."""


def end_marked(var: Path) -> list[str]:
    """Kill what models of an earlier system in this state folder have left; returns a note for each.

    Only for who holds the folder's lock: then nothing that carries its mark is anybody's.
    """
    if not LINUX:
        return []
    mark, notes = os.fsencode(f"{MARK}={var}"), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it is another user's, or has ended
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                name = name_of(int(entry.name))
                os.kill(int(entry.name), signal.SIGKILL)
                notes.append(f"A program that a model had started still ran and was ended: {name} ({entry.name}).")
    return notes


def adopt() -> None:
    """Let what our programs leave behind become ours."""
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), *[ctypes.c_ulong(0)] * 3)


def end_adopted() -> bool:
    """Kill and reap what has come to us; returns whether there was any."""
    if not LINUX:
        return False
    ours, session = spawned(), os.getsid(0)
    children = [pid for pid in _children() if pid not in ours and _session(pid) not in (session, None)]
    rests = [pid for pid in children if not name_of(pid).startswith(_OF_NODES)]
    for pid in rests:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return bool(rests)


def _children() -> list[int]:
    me = os.getpid()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == me]


def _parent(process: Path) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        # proc(5): "pid (name) state ppid …"; the name may hold spaces and parentheses.
        return int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return 0


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
