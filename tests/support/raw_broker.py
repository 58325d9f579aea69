"""A peer on a real socket that speaks raw AMQP frames, as well or as badly as a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pamqp.frame
from pamqp import base, commands, header

from ml_service.messaging.rabbitmq.client.connection import AmqpConnection, open_connection
from ml_service.messaging.rabbitmq.client.frames import (
    FRAME_BODY,
    FRAME_BYTES_MAX,
    FRAME_END,
    FRAME_HEAD,
    AmqpFrameReader,
)

GREETING_BYTES = 8
CHANNEL = 1


def method(value: base.Frame, channel: int = CHANNEL) -> bytes:
    """The frame of a method."""
    return pamqp.frame.marshal(value, channel)


def content_header(size: int, channel: int = CHANNEL) -> bytes:
    """The frame that announces a body of ``size`` bytes."""
    properties = commands.Basic.Properties(content_type="application/json")
    return pamqp.frame.marshal(header.ContentHeader(body_size=size, properties=properties), channel)


def body(part: bytes, channel: int = CHANNEL) -> bytes:
    """The frame of a part of a body."""
    return FRAME_HEAD.pack(FRAME_BODY, channel, len(part)) + part + FRAME_END


def deliver(tag: int = 1, channel: int = CHANNEL) -> bytes:
    """The method frame of a delivery."""
    return method(commands.Basic.Deliver("consumer", tag, False, "", "ml_tasks"), channel)  # noqa: FBT003


def message(text: bytes, tag: int = 1, part_bytes: int = 1000) -> list[bytes]:
    """The frames of a delivery, its body in parts."""
    parts = [body(text[start : start + part_bytes]) for start in range(0, len(text), part_bytes)]
    return [deliver(tag), content_header(len(text)), *parts]


@dataclass
class RawBroker:
    """One connection, seen from the broker's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: AmqpFrameReader = field(default_factory=AmqpFrameReader)
    received: list[base.Frame] = field(default_factory=list)

    async def send(self, *data: bytes, step: int | None = None) -> None:
        """Write ``data`` in one go, or in pieces of ``step`` bytes that are received one by one."""
        whole = b"".join(data)
        for start in range(0, len(whole), step or max(1, len(whole))):
            self.writer.write(whole[start : start + (step or len(whole))])
            await self.writer.drain()
            if step:
                await asyncio.sleep(0)

    async def next(self, kind: type[base.Frame]) -> base.Frame:
        """Wait for a method of the client; other methods before it are ignored."""
        while True:
            while self.received:
                if isinstance(value := self.received.pop(0), kind):
                    return value
            data = await self.reader.read(65536)
            assert data, "the client has closed the connection"
            for _, _, frame in self.frames.feed(data):
                _, _, value = pamqp.frame.unmarshal(frame)
                if isinstance(value, base.Frame):
                    self.received.append(value)

    async def greet(self, *, frame_max: int = FRAME_BYTES_MAX, step: int | None = None) -> None:
        """Log the client in."""
        await self.reader.readexactly(GREETING_BYTES)
        await self.send(method(commands.Connection.Start(0, 9, {"capabilities": {}}), 0), step=step)
        await self.next(commands.Connection.StartOk)
        await self.send(method(commands.Connection.Tune(100, frame_max, 10), 0), step=step)
        await self.next(commands.Connection.Open)
        await self.send(method(commands.Connection.OpenOk(), 0), step=step)

    async def until_closed(self) -> None:
        """Wait until the client has closed the socket."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[RawBroker], Awaitable[None]]


@asynccontextmanager
async def raw_broker(script: Script) -> AsyncIterator[str]:
    """A server whose every connection runs ``script``; yields its URL. An error in the script fails the test."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script(RawBroker(reader, writer))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"amqp://guest:guest@127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        if running:
            done, pending = await asyncio.wait(running, timeout=10)
            assert not pending, "the script has not ended"
            for task in done:
                task.result()
    finally:
        for task in running:
            task.cancel()
        server.close()


@asynccontextmanager
async def connected(script: Script, *, timeout_s: float = 5.0, heartbeat_s: int = 10) -> AsyncIterator[AmqpConnection]:
    """Our client, connected to a raw broker that runs ``script``."""
    async with raw_broker(script) as url:
        connection = await open_connection(url, name="test", timeout_s=timeout_s, heartbeat_s=heartbeat_s)
        try:
            yield connection
        finally:
            connection.abort("the test has ended")
