"""A bad line: forwards connections to a socket, and delays, swallows or cuts them when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

Address = str | tuple[str, int]
"""The path of a unix socket, or host and port."""


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, str):
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


class Proxy:
    """Stands between clients and ``targets``, of which the first that answers gets a connection.

    Attributes:
        delay_s: How much later everything arrives.
        cut_after: When a client sends these bytes, they are delivered and answered, but the answer is
            lost with the connection. Once; set it again for another time.
        cuts: How often that happened.
    """

    def __init__(self, *targets: Address) -> None:
        self.targets = list(targets)
        self.delay_s = 0.0
        self.cut_after: bytes | None = None
        self.cuts = 0
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def swallow(self) -> None:
        """From now on nothing arrives, and nothing says so."""
        self._open.clear()

    def heal(self) -> None:
        """Deliver again, first what was swallowed: as TCP does after a short interruption."""
        self._open.set()

    def cut(self) -> None:
        """End all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        self._tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        for target in self.targets:
            try:
                there, back = await _connect(target)
            except OSError:
                continue
            break
        else:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        losing = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back, losing, is_client=True))
                group.create_task(self._pump(there, writer, losing, is_client=False))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, losing: asyncio.Event, *, is_client: bool
    ) -> None:
        while data := await source.read(65536):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._open.wait()
            if is_client and self.cut_after is not None and self.cut_after in data:
                self.cut_after = None
                losing.set()
            elif losing.is_set() and not is_client:
                self.cuts += 1
                break
            target.write(data)
            await target.drain()
        raise ConnectionResetError

    async def close(self) -> None:
        """End everything."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_to(target: Address, listen: Address, *others: Address) -> AsyncIterator[Proxy]:
    """A proxy that listens on ``listen``."""
    proxy = Proxy(target, *others)
    if isinstance(listen, str):
        Path(listen).parent.mkdir(parents=True, exist_ok=True)
        server = await asyncio.start_unix_server(proxy.serve, listen)
    else:
        server = await asyncio.start_server(proxy.serve, *listen)
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await server.wait_closed()
