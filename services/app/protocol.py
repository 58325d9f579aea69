"""uvicorn's HTTP protocol, with one system call for an answer."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class OneWrite:
    """A transport that sends together what is written within one turn of the loop.

    uvicorn writes an answer's head and then its body, and uvloop makes a system call of each: two packets, and a client
    that wakes up twice. That was a tenth of the CPU of an accepted prediction (docs/performance.md).
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send ``data`` at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Send what was written, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():  # the client may have gone since it was written
            self._transport.write(b"".join(parts))


class Protocol(HttpToolsProtocol):
    """uvicorn's, over `OneWrite`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin, over the wrapped transport."""
        super().connection_made(cast("asyncio.Transport", OneWrite(transport)))
