"""The app with a heartbeat on its loop: `python -m tests.support.beating`, with BEATS_FILE in the environment.

The file holds one double: the most CPU seconds that this process has used between two beats. CPU time, not the clock's:
then a busy machine makes no difference, and work that holds the interpreter in another thread counts too.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import socket
import struct
import time
from pathlib import Path

from services.app import main
from services.app.http import server

BEAT_S = 0.002
_FORMAT = "d"
SIZE = struct.calcsize(_FORMAT)


class Beats:
    """The longest hold of a loop, shared through a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), SIZE)

    @property
    def worst_s(self) -> float:
        """CPU seconds between two beats, at most."""
        worst: float = struct.unpack(_FORMAT, self._memory[:])[0]
        return worst

    @worst_s.setter
    def worst_s(self, value: float) -> None:
        self._memory[:] = struct.pack(_FORMAT, value)

    async def beat(self) -> None:
        """Measure until cancelled."""
        while True:
            before = time.process_time()
            await asyncio.sleep(BEAT_S)
            self.worst_s = max(self.worst_s, time.process_time() - before)


class BeatingServer(server.AppServer):
    """The server, with a heartbeat from its start on."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.beating = asyncio.create_task(Beats(Path(os.environ["BEATS_FILE"])).beat())


if __name__ == "__main__":
    server.AppServer = BeatingServer  # type: ignore[misc]
    main.main()
