"""A connection without a network: what a client sends is fed in pieces, what is answered is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.app.http.connection import Connection
from services.app.http.connection_limits import HttpLimits
from services.app.http.connection_slots import ConnectionSlots

Answer = tuple[int, dict[str, str], bytes]
MakeProtocol = Callable[..., asyncio.Protocol]


class Recorder(asyncio.Transport):
    """Keeps what is written, and says how it ended."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711), "sockname": ("192.0.2.9", 80)})
        self.written = b""
        self.has_ended = False  # no more is written
        self.is_closed = False
        self.is_reading = True
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.has_ended, "written after the end"
        self.written += data

    def write_eof(self) -> None:
        self.has_ended = True

    def close(self) -> None:
        self.has_ended = self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent


async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers with what it was asked."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    asked = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "version": scope["http_version"],
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    content = json.dumps(asked).encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class ClientEnd:
    """A client's end of a connection to ``app``."""

    def __init__(self, app: Any = mirror, limits: HttpLimits | None = None, make: MakeProtocol | None = None) -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False, ws="none")
        config.load()
        self.state = ServerState()
        limits = limits or HttpLimits()
        slots = ConnectionSlots(limits.connections_max)
        options = {"config": config, "server_state": self.state, "app_state": {}}
        self.protocol = make(**options) if make else Connection(limits, slots, **options)  # type: ignore[arg-type]
        self.transport = Recorder()
        self.protocol.connection_made(self.transport)

    async def send(self, *pieces: bytes) -> ClientEnd:
        """Send, as far as the server reads; waits until it has nothing more to do."""
        waiting = list(pieces)
        for _ in range(len(pieces) * 2 + 20):
            if waiting and self.transport.is_reading and not self.transport.is_closed:
                self.protocol.data_received(waiting.pop(0))
            for _ in range(4):
                await asyncio.sleep(0)
        return self

    @property
    def answers(self) -> list[Answer]:
        """What was answered, read by h11; fails where it is not HTTP."""
        return parse(self.transport.written)

    @property
    def statuses(self) -> list[int]:
        return [status for status, _, _ in self.answers]

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What `mirror` was asked."""
        return [json.loads(body) for status, _, body in self.answers if status == 200]

    def lose(self) -> None:
        """The client is gone."""
        self.transport.close()
        self.protocol.connection_lost(None)


def parse(written: bytes) -> list[Answer]:
    """Answers as any client reads them, each to a GET."""
    answers = []
    while written:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        client.send(h11.EndOfMessage())
        client.receive_data(written)
        head = client.next_event()
        is_awaited = isinstance(head, h11.InformationalResponse)  # "100 Continue": the body that was announced may come
        while isinstance(head, h11.InformationalResponse):
            head = client.next_event()
        if is_awaited and head is h11.NEED_DATA and not client.trailing_data[0]:
            return answers
        assert isinstance(head, h11.Response), head
        headers = {name.decode(): value.decode() for name, value in head.headers}
        body = b""
        while isinstance(event := client.next_event(), h11.Data):
            body += event.data
        if event is h11.NEED_DATA:  # the end of the connection is the end of the body
            return [*answers, (head.status_code, headers, body)]
        assert isinstance(event, h11.EndOfMessage), event
        answers.append((head.status_code, headers, body))
        written = client.trailing_data[0]
    return answers


def uvicorns(**options: Any) -> asyncio.Protocol:
    """Uvicorn's own protocol, to compare with."""
    return HttpToolsProtocol(**options)


def split(data: bytes, places: Iterable[int]) -> list[bytes]:
    """``data`` in pieces."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]
