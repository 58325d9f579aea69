"""The app in this process over a real database, a small worker that echoes, and people who use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from ml_service.domain.models import ModelSpec
from ml_service.domain.predictions import PredictionError, Status
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Result, ResultMessage
from ml_service.storage import claiming, finishing
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from services.app.components import AppComponents
from services.app.wiring import App

PASSWORD = "a quiet green river"
TEXT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1, "maxLength": 5000}, "n": {"type": "number"}},
    "required": ["text"],
    "additionalProperties": False,
}
ECHO = ModelSpec("echo", "1", "Says it again.", 1, TEXT_SCHEMA, TEXT_SCHEMA, examples=({"text": "hello"},))
DEAR = ModelSpec("dear", "1", "Costs a lot.", 60, TEXT_SCHEMA, TEXT_SCHEMA)


@dataclass
class Person:
    """Somebody who is signed in."""

    client: httpx2.AsyncClient
    username: str
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def get(self, url: str, **options: Any) -> httpx2.Response:
        return await self.client.get(url, headers=self.headers | options.pop("headers", {}), **options)

    async def post(self, url: str, json: Any = None, **options: Any) -> httpx2.Response:
        headers = self.headers | options.pop("headers", {})
        return await self.client.post(url, json=json, headers=headers, **options)

    async def predict(self, text: str = "hello", **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.post("/predictions/predict", {"text": text}, headers=named)

    async def balance(self) -> tuple[int, int]:
        body = (await self.get("/balance")).json()
        return body["balance"], body["held"]


@dataclass
class Service:
    """A running app."""

    app: App
    client: httpx2.AsyncClient
    database: Database
    database_url: str
    people: int = field(default=0)

    @property
    def components(self) -> AppComponents:
        return self.app.state.components

    async def join(self, username: str | None = None) -> Person:
        """Register somebody and sign in."""
        self.people += 1
        name = username or f"person{self.people}"
        answer = await self.client.post("/users", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return await self.sign_in(name)

    async def sign_in(self, username: str, password: str = PASSWORD) -> Person:
        answer = await self.client.post("/token", data={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return Person(self.client, username, answer.json())

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker that echoes; a text that begins with ``fail`` fails."""
        queue = await connect_queue("postgres", database_url=self.database_url, name="test worker")
        task = asyncio.create_task(self._work(queue))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await queue.close()

    async def _work(self, queue: Any) -> None:
        async with queue.consume_tasks(["default"], Prefetch(4, 1)) as consumer:
            while True:
                for delivery in await consumer.get_batch(4, 0):
                    message, ids = delivery.message, delivery.message.ids
                    async with self.database.autocommit() as session:
                        claimed = await claiming.claim(
                            session,
                            "worker-1",
                            ids,
                            [False] * len(ids),
                            model=message.model,
                            version=message.version,
                            attempts_max=5,
                        )
                        mine = [one for one in claimed if one.status == Status.PROCESSING]
                        ends = [
                            Finish(one.id, one.attempt, 0.5, None, PredictionError("model_error", "It failed."))
                            if '"fail' in one.input
                            else Finish(one.id, one.attempt, 0.5, one.input)
                            for one in mine
                        ]
                        ended = await finishing.finish(session, "worker-1", ends)
                    if ended:
                        results = tuple(Result(one.id, one.user_id, one.status) for one in ended)
                        await queue.publish_results(ResultMessage(results))
                    await consumer.ack([delivery])


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a problem, whose form is checked."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["type"].endswith(body["code"])
    assert body["title"]
    assert body["detail"]
    return answer.status_code, body["code"]


StartService = Callable[..., AbstractAsyncContextManager[Service]]
