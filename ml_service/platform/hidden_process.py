"""Keep the settings of a process from programs of the same user."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_process() -> None:
    """Close ``/proc/<pid>/environ``, its memory and ptrace to the user's other processes (prctl(2)); no core dumps.

    A model runs as the same user as the worker, whose environment may hold passwords. Does nothing on macOS, where no
    such files exist; root may always read everything.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0), *[ctypes.c_ulong(0)] * 3)
