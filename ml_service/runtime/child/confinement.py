"""What a model's process may do to others: signals, descriptors, its parent, memory. Applied before the model's code.

A model may fork, start programs and daemons. None of them may keep the socket to the host open, inherit our signal
dispositions, outlive the model, or signal the worker. What only Linux offers is marked; elsewhere the process group and
the socket's end of file do what they can.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import faulthandler
import os
import platform
import resource
import signal
import struct
import sys
from types import FrameType

LINUX = sys.platform == "linux"

_OURS = (signal.SIGINT, signal.SIGTERM)

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

# The audit architecture, and the numbers of the calls there whose first argument is whom they act on: kill, tkill,
# tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_open; prlimit64, sched_setparam, sched_setscheduler,
# sched_setaffinity, sched_setattr; process_vm_readv, process_vm_writev.
_CALLS_ON_OTHERS = {
    "x86_64": (0xC000003E, (62, 200, 234, 129, 297, 434, 302, 142, 144, 203, 314, 310, 311)),
    "aarch64": (0xC00000B7, (129, 130, 131, 138, 240, 434, 261, 118, 119, 122, 274, 270, 271)),
}
_EVERYBODY = -1

# <linux/landlock.h>; the numbers of the calls are the same on all architectures.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_SCOPE_SIGNAL = 1 << 1
_LANDLOCK_VERSION_OF_SCOPES = 6

# <linux/bpf_common.h>, <linux/seccomp.h>: load a word, compare for equality, return; offsets into seccomp_data.
_BPF_LOAD, _BPF_JUMP_IF_EQUAL, _BPF_RETURN = 0x20, 0x15, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM


def confine(wire: int, parent_pid: int, memory_bytes_max: int) -> None:
    """Apply all of it; ``wire`` is the descriptor of the socket to the host."""
    _die_with(parent_pid)
    _reset_signals()
    _keep_from_copies(wire)
    _set_aside_for_the_kernel()
    limit_memory(memory_bytes_max)
    if LINUX:
        # Programs whose own parent has ended become our children, so that the host finds them when we end.
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        with contextlib.suppress(OSError):  # a kernel without seccomp: then only good manners protect the worker
            _refuse_calls_on([parent_pid, -os.getpgid(parent_pid), _EVERYBODY])
        with contextlib.suppress(OSError):
            keep_to_own_processes()
    faulthandler.enable()


def limit_memory(memory_bytes_max: int) -> None:
    """Limit private writable memory: unlike RLIMIT_AS it leaves out weights that are mapped from a file."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = memory_bytes_max if hard == resource.RLIM_INFINITY else min(memory_bytes_max, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _die_with(parent_pid: int) -> None:
    """End with the worker, however it ends. Elsewhere than on Linux the socket's end of file does it."""
    if LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before we asked to be told
        os._exit(1)


def _reset_signals() -> None:
    """Start from the defaults, and let the host alone decide when this process ends.

    SIGINT and SIGTERM (Ctrl-C in a terminal, a service manager) get a handler that does nothing. SIG_IGN would do the
    same here, but programs that the model starts would inherit it and could no longer be terminated; a handler is
    dropped at exec, and by the hook below in a fork.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        # Python's own choice for these two; subprocess restores them for the programs it starts.
        if number not in (signal.SIGPIPE, signal.SIGXFSZ) and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in _OURS:
        signal.signal(number, _do_nothing)
        signal.siginterrupt(number, False)  # noqa: FBT003 - the signature is Python's
    # Blocked meanwhile: a signal that reaches the fork before it has its defaults would be lost.
    os.register_at_fork(before=_hold_signals, after_in_parent=_release_signals, after_in_child=_default_signals)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass


def _hold_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)


def _default_signals() -> None:
    for number in _OURS:
        if signal.getsignal(number) is _do_nothing:
            signal.signal(number, signal.SIG_DFL)
    _release_signals()


def _keep_from_copies(wire: int) -> None:
    """Programs do not inherit the socket; in a fork of this process it leads nowhere: reads end, writes vanish."""
    os.set_inheritable(wire, False)  # noqa: FBT003 - the signature is Python's
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.register_at_fork(after_in_child=lambda: _replace(nowhere, wire))


def _replace(by: int, descriptor: int) -> None:
    with contextlib.suppress(OSError):  # the model has closed what is not its own
        os.dup2(by, descriptor, inheritable=False)


def _set_aside_for_the_kernel() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # If the machine runs out of memory all the same, the kernel is to end the model, not the database.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")


def _prctl(option: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *(ctypes.c_ulong(each) for each in [*arguments, 0, 0, 0, 0][:4])):
        raise OSError(ctypes.get_errno(), f"prctl({option})")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


def keep_to_own_processes() -> None:
    """Let the model signal, trace and reach into the memory of only what it has started (landlock(7)).

    A model runs as the user of the worker, and natively of the API and PostgreSQL too: any of them may be what
    ``pkill python`` ends. Unlike seccomp this knows processes and not numbers, and it holds for root.

    Raises:
        OSError: The kernel does not have it (Linux 6.12 does), or it is switched off.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION)
    if version < _LANDLOCK_VERSION_OF_SCOPES:
        raise OSError(errno.EOPNOTSUPP, "no scopes of Landlock")
    ruleset = _Ruleset(scopes=_LANDLOCK_SCOPE_SIGNAL)
    made = libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    if made < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    try:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if libc.syscall(_LANDLOCK_RESTRICT_SELF, made, 0):
            raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    finally:
        os.close(made)


def _refuse_calls_on(targets: list[int]) -> None:
    """Make kill(2) and its like fail with EPERM for these targets, here and in all that the model starts (seccomp(2)).

    A model runs as the worker's user, so ``os.kill(os.getppid(), 9)`` or ``kill -9 -1`` would end the worker and with
    it the predictions of everybody else.
    """
    if platform.machine() not in _CALLS_ON_OTHERS:
        return
    architecture, calls = _CALLS_ON_OTHERS[platform.machine()]
    allow_at = 4 + len(calls) + len(targets)
    program = [
        (_BPF_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_BPF_JUMP_IF_EQUAL, 0, allow_at - 2, architecture),
        (_BPF_LOAD, 0, 0, _AT_NUMBER),
    ]
    for place, call in enumerate(calls):
        left = len(calls) - place - 1
        otherwise = 0 if left else len(targets) + 1
        program.append((_BPF_JUMP_IF_EQUAL, left, otherwise, call))
    program.append((_BPF_LOAD, 0, 0, _AT_FIRST_ARGUMENT))
    for place, target in enumerate(targets):
        program.append((_BPF_JUMP_IF_EQUAL, len(targets) - place, 0, target & 0xFFFFFFFF))
    program += [(_BPF_RETURN, 0, 0, _ALLOW), (_BPF_RETURN, 0, 0, _REFUSE)]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    filter_ = _Program(len(program), code)
    address = ctypes.cast(ctypes.byref(filter_), ctypes.c_void_p).value or 0
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address)
