"""PostgreSQL refuses to run as root. How root runs it all the same, without an account of its own.

Either in a user namespace that has one user, who is root outside (files stay root's); or, where namespaces are
forbidden (in most containers), as `nobody` who keeps the one right to pass root's folders: the project may lie in
/root, which nobody else can enter, and nothing need be copied out of it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from engine.errors import EngineError
from engine.processes import LINUX

NOBODY = 65534

_CLONE_NEWUSER = 0x10000000
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None


def is_root() -> bool:
    """Whether this process has root's id (perhaps only a container's root)."""
    return os.geteuid() == 0


def _call(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter_namespace() -> None:
    assert _LIBC is not None  # noqa: S101 - only used on Linux
    _call(_LIBC.unshare(_CLONE_NEWUSER))
    for name, text in (("uid_map", f"{NOBODY} 0 1"), ("setgroups", "deny"), ("gid_map", f"{NOBODY} 0 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(fd, text.encode())
        os.close(fd)


def _become_nobody() -> None:
    assert _LIBC is not None  # noqa: S101 - only used on Linux
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # Of root's rights only the one to pass permissions stays; `ambient` lets it survive exec (capabilities(7)).
    one = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(one, one, one, 0, 0, 0)
    _call(_LIBC.capset(header, sets))
    _call(_LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _works(change: Callable[[], None]) -> bool:
    try:
        # `true` under the changed user; preexec_fn makes system calls only.
        return subprocess.run(["/bin/sh", "-c", 'test "$(id -u)" != 0'], preexec_fn=change, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


@cache
def user_change() -> tuple[Callable[[], None] | None, int | None]:
    """What a child does before exec so that it is not root, and who must own its files (None: whoever does now).

    Raises:
        EngineError: we are root and neither way is allowed here.
    """
    if not is_root():
        return None, None
    if LINUX and _works(_enter_namespace):
        return _enter_namespace, 0
    if LINUX and _works(_become_nobody):
        return _become_nobody, NOBODY
    raise EngineError(
        "PostgreSQL does not run as root, and this system forbids changing the user: "
        "start as an ordinary user, or use --engine docker."
    )


def give(folder: Path, owner: int | None) -> None:
    """Make ``owner`` the owner of ``folder`` and all in it, where it is not already."""
    if owner is None or not folder.exists() or folder.stat().st_uid == owner:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent) / name, owner, -1, follow_symlinks=False)
    os.chown(folder, owner, -1)  # last: an interrupted walk begins anew
