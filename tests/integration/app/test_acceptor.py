"""Processes that share a socket share its connections; none is lost when one of them stops."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from services.app.http import acceptor
from services.app.http.acceptor import Acceptor
from tests.support.waiting import until

CLIENTS = 64


class Greeter(asyncio.Protocol):
    """Says whose it is."""

    def __init__(self, name: bytes, made: list[bytes]) -> None:
        self._name, self._made = name, made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(self._name)
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._name)
        transport.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as made:
        yield made


def clients(stack: ExitStack, listening: socket.socket) -> list[socket.socket]:
    """So many, that have connected before anybody accepts them."""
    address = listening.getsockname()
    return [stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(CLIENTS)]


async def test_connections_that_come_at_once_are_shared(listening: socket.socket) -> None:
    made: list[bytes] = []
    with listening.dup() as other, ExitStack() as stack:
        asking = clients(stack, listening)
        both = [
            Acceptor(one, lambda name=name: Greeter(name, made))  # type: ignore[misc]
            for name, one in ((b"a", listening), (b"b", other))
        ]
        await until(lambda: len(made) == CLIENTS, 20)
        assert min(made.count(b"a"), made.count(b"b")) >= CLIENTS // 4
        for one in asking:
            assert await asyncio.to_thread(one.recv, 1) in {b"a", b"b"}
        for one in both:
            one.close()
            await one.wait_closed()


async def test_what_was_accepted_before_the_end_is_served_and_the_rest_is_left_to_others(
    listening: socket.socket,
) -> None:
    made: list[bytes] = []
    with listening.dup() as other, ExitStack() as stack:
        asking = clients(stack, listening)
        first = Acceptor(listening, lambda: Greeter(b"a", made))
        await until(lambda: made, 20, 0)
        first.close()
        await first.wait_closed()
        served = len(made)
        await asyncio.sleep(20 * acceptor.PAUSE_S)
        assert len(made) == served < CLIENTS
        second = Acceptor(other, lambda: Greeter(b"b", made))
        await until(lambda: len(made) == CLIENTS, 20)
        for one in asking:
            assert await asyncio.to_thread(one.recv, 1)
        second.close()


class Full:
    """A socket of a process that may open no more files, for a while."""

    def __init__(self, real: socket.socket, failures: int) -> None:
        self._real, self.failures = real, failures

    def fileno(self) -> int:
        return self._real.fileno()

    def settimeout(self, seconds: float) -> None:
        self._real.settimeout(seconds)

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()


async def test_without_files_to_open_connections_wait(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "REFUSED_PAUSE_S", 0.05)
    made: list[bytes] = []
    full = Full(listening, failures=3)
    with ExitStack() as stack:
        clients(stack, listening)
        one = Acceptor(full, lambda: Greeter(b"a", made))  # type: ignore[arg-type]
        await until(lambda: len(made) == CLIENTS, 20)
        assert full.failures == 0
        one.close()
