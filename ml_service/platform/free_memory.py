"""How freed memory goes back to the system."""

from __future__ import annotations

import contextlib
import ctypes

# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 8 * 2**20
_MMAP_THRESHOLD_MAX = 32 * 2**20  # glibc takes no more


def return_large_blocks() -> None:
    """Give blocks of 8 MiB and more back as soon as they are freed, whichever thread they were made in.

    By itself glibc raises that bound to the largest block that was ever freed: each thread that has hashed a password
    then keeps the 19 MiB of it. Only glibc does so, and only it has mallopt(3).
    """
    _set_mmap_threshold(_LARGE_BYTES)


def keep_freed_blocks() -> None:
    """Keep what is freed until `give_back`: a model needs the same blocks again for its next input.

    By itself glibc returns the end of the heap as soon as it is free, and each return costs page faults later.
    """
    _set_mmap_threshold(_MMAP_THRESHOLD_MAX)


def give_back() -> None:
    """Return what was freed to the system. Only glibc keeps it."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _set_mmap_threshold(size: int) -> None:
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, size)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * size)  # as glibc keeps the two, so that small blocks stay
