"""A transport that sends the answers of one turn of the event loop one after the other, at its end."""

from __future__ import annotations

import asyncio
from typing import Any

AT_ONCE_BYTES = 65_536
"""What is larger does not wait: the client's pace counts from its first byte, and memory is bounded."""


class OneWrite:
    """Keeps what is written until the end of the turn.

    Requests that are committed together are answered in one turn. Each write wakes a client that waits: written between
    the work for two answers, it costs that client, and this process, a switch for each of them. Written in one go, the
    client finds many answers when it wakes up, and asks again as it was answered, together. docs/performance.md
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Send ``data`` after what was written before it, at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes > AT_ONCE_BYTES:
            self._flush()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not taken."""
        return self._bytes + self._transport.get_write_buffer_size()

    def write_eof(self) -> None:
        """Send what was written, then say that no more comes."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what was written, then close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Hand over what was written, then close at once."""
        self._flush()
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        parts, self._parts, self._bytes = self._parts, [], 0
        if parts and not self._transport.is_closing():  # the client may have gone since it was written
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
