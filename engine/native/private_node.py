"""What the private nodes of PostgreSQL and RabbitMQ have in common."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import psutil

from engine.native.processes import freeze_all, signal_all, tree


class PrivateNode:
    """A server whose process is ours."""

    process: subprocess.Popen[bytes] | None = None
    _is_frozen = False

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def freeze(self) -> None:
        """Stop the server and its children in mid-air (SIGSTOP): connections stay open and silent."""
        if self.pid is not None:
            self._is_frozen = True
            freeze_all(tree(self.pid))

    def resume(self) -> None:
        """End a `freeze()`; without one it does nothing, for a look at all processes takes a while."""
        if self._is_frozen and self.pid is not None:
            signal_all(tree(self.pid), signal.SIGCONT)
        self._is_frozen = False

    def effort(self) -> float:
        """What the server and its children have used so far of processors and disks; the same while it stands still."""
        used = 0.0
        for pid in tree(self.pid) if self.pid is not None else []:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                used += sum(process.cpu_times()[:2])
                if hasattr(process, "io_counters"):  # not on macOS
                    used += sum(process.io_counters()[2:4])
        return used
