"""A stream of events, read over ASGI event by event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message

from tests.support.service import Person, Service


@dataclass
class Event:
    name: str
    data: Any
    id: str


@dataclass
class Stream:
    """An open stream, read event by event over ASGI: httpx's transport would wait for its end."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: asyncio.Queue[Event | None] = field(default_factory=asyncio.Queue)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    text: str = ""
    pause: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> None:
        await self.pause.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.text += message.get("body", b"").decode()
        *whole, self.text = self.text.split("\n\n")
        for one in whole:
            lines = dict(line.split(": ", 1) for line in one.splitlines() if not line.startswith(":"))
            if "data" in lines:
                self.events.put_nowait(Event(lines["event"], json.loads(lines["data"]), lines["id"]))
        if not message.get("more_body"):
            self.events.put_nowait(None)

    async def next(self, timeout_s: float = 10) -> Event:
        async with asyncio.timeout(timeout_s):
            found = await self.events.get()
        assert found is not None, "the stream has ended"
        return found

    async def ended(self, timeout_s: float = 10) -> bool:
        async with asyncio.timeout(timeout_s):
            while await self.events.get() is not None:
                pass
        return True

    async def until(self, prediction_id: str, status: str) -> list[Event]:
        """All events up to the one with this state of this prediction."""
        found = []
        while True:
            found.append(await self.next())
            if found[-1].name == "prediction" and (found[-1].data["id"], found[-1].data["status"]) == (
                prediction_id,
                status,
            ):
                return found

    async def quiet(self, seconds: float = 0.4) -> bool:
        """Whether nothing comes for a while."""
        await asyncio.sleep(seconds)
        return self.events.empty()


@asynccontextmanager
async def followed(service: Service, person: Person, last_id: str = "", path: str = "/events") -> AsyncIterator[Stream]:
    stream = Stream()
    stream.pause.set()
    headers = [(b"host", b"app"), (b"authorization", person.headers["Authorization"].encode())]
    headers += [(b"last-event-id", last_id.encode())] if last_id else []
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await stream.gone.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("192.0.2.7", 1),
        "server": ("app", 80),
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    task = asyncio.create_task(service.app(scope, receive, stream.send))
    try:
        yield stream
    finally:
        stream.gone.set()
        stream.pause.set()
        async with asyncio.timeout(5):
            await task


def states(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.data["id"], event.data["status"]) for event in events if event.name == "prediction"]
