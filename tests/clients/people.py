"""A registered user, and a connection on which things go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from mls import Client

PASSWORD = "a quiet green river"


@dataclass
class Registered:
    """A registered user."""

    url: str
    username: str
    password: str = PASSWORD

    def client(self, transport: httpx2.BaseTransport | None = None) -> Client:
        return Client(self.url, username=self.username, password=self.password, transport=transport)

    @property
    def environment(self) -> dict[str, str]:
        """For `mls` and for the examples of the docs."""
        return {"MLS_URL": self.url, "MLS_USERNAME": self.username, "MLS_PASSWORD": self.password}


class FaultyWire(httpx2.BaseTransport):
    """A real connection; ``fault`` may answer or raise before a request is sent, ``after`` once it was answered."""

    def __init__(
        self,
        fault: Callable[[httpx2.Request], httpx2.Response | None] = lambda _request: None,
        after: Callable[[httpx2.Request, httpx2.Response], httpx2.Response] = lambda _request, response: response,
    ) -> None:
        self._real = httpx2.HTTPTransport()
        self._fault, self._after = fault, after
        self._lock = threading.Lock()
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        with self._lock:
            self.requests.append(request)
        return self._fault(request) or self._after(request, self._real.handle_request(request))

    def close(self) -> None:
        self._real.close()

    def keys(self, path: str = "/predictions/predict") -> list[str]:
        return [one.headers["Idempotency-Key"] for one in self.requests if one.url.path == path]
