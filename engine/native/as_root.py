"""PostgreSQL refuses to run as root, or as a user id without a name. How we run it without a new account.

Either in a user namespace that has one user, `nobody`, who is the caller outside (files stay the caller's); or, where
namespaces are forbidden (in most containers), root's server runs as `nobody`. Where it lies in a folder that nobody
else can enter, such as /root, it keeps the one right to enter folders and read.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

from engine.common.errors import EngineError
from engine.native.processes import LINUX

NOBODY = 65534

_CLONE_NEWUSER = 0x10000000
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
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
    user, group = os.geteuid(), os.getegid()
    _call(_LIBC.unshare(_CLONE_NEWUSER))
    maps = (("uid_map", f"{NOBODY} {user} 1"), ("setgroups", "deny"), ("gid_map", f"{NOBODY} {group} 1"))
    for name, text in maps:
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(fd, text.encode())
        os.close(fd)


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _become_nobody_who_passes_folders() -> None:
    assert _LIBC is not None  # noqa: S101 - only used on Linux
    _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    _become_nobody()
    # Of root's rights only the one to enter folders and read stays; `ambient` lets it survive exec (capabilities(7)).
    one = 1 << _CAP_DAC_READ_SEARCH
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(one, one, one, 0, 0, 0)
    _call(_LIBC.capset(header, sets))
    _call(_LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0))


def _works(change: Callable[[], None]) -> bool:
    # preexec_fn makes system calls only. initdb wants a user that is not root and has a name.
    script = 'test "$(id -u)" != 0 && id -un'
    try:
        done = subprocess.run(["/bin/sh", "-c", script], preexec_fn=change, capture_output=True, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


@cache
def _way() -> Literal["as we are", "namespace", "nobody"] | None:
    if not is_root() and has_name():
        return "as we are"
    if LINUX and _works(_enter_namespace):
        return "namespace"
    return "nobody" if LINUX and is_root() and _works(_become_nobody) else None


def has_name() -> bool:
    """Whether this user id has a name (in a container it may be any number)."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def user_change(*needed: Path) -> tuple[Callable[[], None] | None, int | None]:
    """What a child does before exec so that it is not root, and who must own its files (None: the present owner).

    Args:
        needed: Where the child must get to.

    Raises:
        EngineError: this user cannot run PostgreSQL here.
    """
    way = _way()
    if way == "as we are":
        return None, None
    if way == "namespace":
        return _enter_namespace, 0 if is_root() else None
    if way == "nobody":
        is_open = all(_anybody_may_pass(path) for path in needed)
        return (_become_nobody if is_open else _become_nobody_who_passes_folders), NOBODY
    if is_root():
        raise EngineError(
            "PostgreSQL does not run as root, and this system forbids changing the user: "
            "start as an ordinary user, or use --engine docker."
        )
    raise EngineError(
        f"PostgreSQL needs a user with a name, and the user id {os.geteuid()} has none: add one to /etc/passwd "
        f"(ml:x:{os.geteuid()}:{os.getegid()}::/tmp:/bin/sh), or set DATABASE_URL to a server of yours."
    )


def _anybody_may_pass(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def give(folder: Path, owner: int | None) -> None:
    """Make ``owner`` the owner of ``folder`` and all in it, where it is not already."""
    if owner is None or not folder.exists() or folder.stat().st_uid == owner:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent) / name, owner, -1, follow_symlinks=False)
    os.chown(folder, owner, -1)  # last: an interrupted walk is repeated
