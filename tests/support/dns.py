"""A DNS server that knows one name, whose addresses change when a test says so."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

HOST = "app"
TYPE_A = 1
TTL_S = 600
"""Long: nginx must not wait for it."""


class Names:
    """Answers ``app`` with ``addresses``, which may be remembered for ``ttl_s``; without any, there is no such name."""

    def __init__(self, *addresses: str, ttl_s: int = TTL_S) -> None:
        self.addresses = addresses
        self._ttl_s = ttl_s
        self._server = socketserver.UDPServer(("127.0.0.1", 0), self._handler())
        self.server = f"127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Answer meanwhile."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        names = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                query, socket = self.request
                socket.sendto(names.answer(query), self.client_address)

        return Handler

    def answer(self, query: bytes) -> bytes:
        """The answer to a query with one question (RFC 1035, section 4)."""
        labels = []
        place = 12  # the header's length
        while length := query[place]:
            labels.append(query[place + 1 : place + 1 + length].decode())
            place += 1 + length
        question = query[12 : place + 5]
        (kind,) = struct.unpack("!H", query[place + 1 : place + 3])
        known = ".".join(labels) == HOST and bool(self.addresses)
        records = [
            struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, self._ttl_s, 4) + ip_address(address).packed
            for address in self.addresses
            if known and kind == TYPE_A
        ]
        flags = 0x8180 if known else 0x8183  # an answer; NXDOMAIN
        header = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        return header + question + b"".join(records)
