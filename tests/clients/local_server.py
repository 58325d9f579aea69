"""A small HTTP server for what a started system does not do: silence, redirects, the pages of portals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

PREDICTION_ID = UUID(int=7)


class LocalExchange(BaseHTTPRequestHandler):
    """One connection of a client; `answer` says what the test wants."""

    protocol_version = "HTTP/1.1"
    answer: Callable[[LocalExchange], None]
    served: Served
    body: bytes

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client has ended it
            self.close_connection = True

    def do_GET(self) -> None:
        self.body = self._read()
        self.served.note(self)
        type(self).answer(self)

    def do_POST(self) -> None:
        self.do_GET()

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def send(self, status: int, body: bytes, media_type: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_piece(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's word
        """Keep the output of the tests clean."""


@dataclass
class Served:
    """A server that runs.

    Attributes:
        requests: Method, path, headers and body of each, in their order.
        is_over: Set when the test has ended, for answers that would go on.
    """

    url: str
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def note(self, exchange: LocalExchange) -> None:
        self.requests.append((exchange.command, exchange.path, dict(exchange.headers), exchange.body))

    def bodies(self, path: str) -> list[bytes]:
        return [body for _, at, _, body in self.requests if at.partition("?")[0] == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def serving(answer: Callable[[LocalExchange], None]) -> Iterator[Served]:
    """Answer each request by ``answer``, in a thread for each connection."""
    served = Served("")
    handler = type("TestExchange", (LocalExchange,), {"answer": staticmethod(answer), "served": served})
    with _Server(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield served
        finally:
            served.is_over.set()
            server.shutdown()
            thread.join()


def prediction(status: str = "queued") -> dict[str, Any]:
    """A prediction as the service shows it."""
    output = {"text": "hello"} if status == "succeeded" else None
    nothing = dict.fromkeys(("error", "batch_id", "started_at", "finished_at", "deadline_at", "version"))
    timings = dict.fromkeys(("queued_ms", "predict_ms", "total_ms"))
    return nothing | {
        "id": str(PREDICTION_ID),
        "model": "echo",
        "status": status,
        "input": {"text": "hello"},
        "output": output,
        "cost": 1,
        "charged": 0,
        "source": "api",
        "attempts": 0,
        "created_at": datetime.now(UTC).isoformat(),
        "timings": timings,
    }
