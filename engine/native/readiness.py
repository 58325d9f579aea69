"""How a process tells that it is ready: systemd's notify protocol, on a socket of the process's own.

A word counts only when the kernel says that it came from the very process that was started, so that neither an
earlier incarnation nor a child of it can speak in its name.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from engine.native.processes import LINUX, ShortPath

_MESSAGE_BYTES_MAX = 4096
_CREDENTIALS = struct.Struct("3i")


class NotifySocket:
    """One process's NOTIFY_SOCKET."""

    def __init__(self, folder: Path, name: str) -> None:
        """Bind it as ``<name>.notify`` in ``folder``; what lies there is replaced.

        Raises:
            EngineError: the path is too long for this system.
        """
        self._file = folder / f"{name}.notify"
        self._short = ShortPath(folder, self._file.name)
        self._file.unlink(missing_ok=True)
        self.address = f"{self._short.path}/{self._file.name}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)  # noqa: FBT003 - a boolean is what it takes
        if LINUX:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.address)

    def read(self, pid: int | None, on_word: Callable[[str, str], None]) -> None:
        """Hand each waiting word of process ``pid`` to ``on_word`` as (name, value); drop the others'."""
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(_MESSAGE_BYTES_MAX, socket.CMSG_SPACE(_CREDENTIALS.size))
            except (BlockingIOError, InterruptedError):
                return
            if _sender(ancillary) not in (None, pid):
                continue
            for line in data.decode(errors="replace").splitlines():
                name, _, value = line.partition("=")
                on_word(name, value)

    def close(self) -> None:
        """Remove it."""
        self.socket.close()
        with contextlib.suppress(OSError):
            self._file.unlink()
        self._short.close()


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    if not LINUX:
        return None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
            return int(_CREDENTIALS.unpack_from(data)[0])
    return 0  # nobody: the kernel always tells
