"""Clients that ask, and ask again with the same key until they are told yes; they remember what they were told."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx2

PASSWORD = "a quiet green river"
RETRY_S = 0.2
ATTEMPTS_S = 120.0


@dataclass
class Request:
    """One request that a client wants to have accepted."""

    user: str
    key: str
    items: list[dict[str, Any]]
    is_batch: bool
    ids: list[str] = field(default_factory=list)
    """Of the predictions that the client was promised."""
    tries: int = 0


@dataclass
class Load:
    """Some users, and the clients who ask in their names.

    Attributes:
        complaints: What no client should see: 500, another answer to the same key, a problem without its form.
        refusals: (status, code) and how often; ``refused_after_s``: the times that they took.
    """

    urls: Sequence[str]
    users: Sequence[str] = ("anna", "boris", "clara")
    model: str = "echo"
    text: str = "hello"
    batch_share: float = 0.1
    pause_s: float = 0.05
    timeout_s: float = 15.0
    seed: int = 1
    tokens_per_app: bool = False
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    refused_after_s: list[float] = field(default_factory=list)
    accepted: int = 0

    def __post_init__(self) -> None:
        self._tokens: dict[tuple[str, str], str] = {}
        self._signing_in: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turn = count()
        self._random = random.Random(self.seed)
        self._client = httpx2.AsyncClient(timeout=self.timeout_s, limits=httpx2.Limits(max_connections=200))
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def register(self) -> None:
        """Make the users."""
        for user in self.users:
            answer = await self._client.post(
                f"{self.urls[0]}/users", json={"username": user, "password": PASSWORD}, timeout=60
            )
            assert answer.status_code in (201, 409), answer.text

    async def sign_in(self, url: str, user: str) -> dict[str, str]:
        """The headers of a user at one app; the clock of another may differ."""
        if (url, user) not in self._tokens:
            answer = await self._client.post(f"{url}/token", data={"username": user, "password": PASSWORD}, timeout=60)
            answer.raise_for_status()
            self._tokens[url, user] = answer.json()["access_token"]
        return {"Authorization": f"Bearer {self._tokens[url, user]}"}

    def new_request(self, *, items: int = 0, user: str = "", text: str | None = None, model: str = "") -> Request:
        """A request that nobody has asked yet; ``items``: as a batch."""
        made = [
            {"model": model or self.model, "input": {"text": text or self.text, "id": uuid4().hex}}
            for _ in range(items or 1)
        ]
        request = Request(user or self._random.choice(list(self.users)), uuid4().hex, made, bool(items))
        self.requests.append(request)
        return request

    async def post(self, request: Request, url: str = "", **options: Any) -> httpx2.Response:
        """Ask once."""
        url = url or self.urls[next(self._turn) % len(self.urls)]
        request.tries += 1
        headers = {**await self.sign_in(url, request.user), "Idempotency-Key": request.key}
        headers |= options.pop("headers", {})
        if request.is_batch:
            path, body = "/predictions/batch", {"items": request.items}
        else:
            path, body = "/predictions/predict", request.items[0]
        return await self._client.post(url + path, json=body, headers=headers, **options)

    def take(self, request: Request, answer: httpx2.Response) -> bool:
        """Note what was answered; whether it was accepted."""
        if answer.status_code in (200, 202):
            body = answer.json()
            ids = [item["id"] for item in body["items"]] if request.is_batch else [body["id"]]
            if request.ids and sorted(request.ids) != sorted(ids):
                self.complaints.append(f"key {request.key}: {request.ids} and then {ids}")
            self.accepted += not request.ids
            request.ids = ids
            return True
        try:
            code = answer.json()["code"]
        except (ValueError, KeyError):
            code = answer.text[:80]
        self.refusals[f"{answer.status_code} {code}"] += 1
        self.refused_after_s.append(answer.elapsed.total_seconds())
        if answer.status_code not in (402, 429, 503):
            self.complaints.append(f"{answer.status_code} {answer.text[:200]}")
        elif answer.status_code != 402 and "retry-after" not in answer.headers:
            self.complaints.append(f"{answer.status_code} without Retry-After")
        return False

    async def ask(self, request: Request) -> bool:
        """Ask until it is accepted, or the load is over and the patience too."""
        end = time.monotonic() + ATTEMPTS_S
        while time.monotonic() < end:
            try:
                if self.take(request, await self.post(request)):
                    return True
            except httpx2.HTTPError as error:
                self.refusals[type(error).__name__] += 1
            await asyncio.sleep(RETRY_S)
        return False

    async def _go_on(self) -> None:
        while not self._is_over:
            is_batch = self._random.random() < self.batch_share
            await self.ask(self.new_request(items=self._random.randint(2, 30) if is_batch else 0))
            await asyncio.sleep(self.pause_s * 2 * self._random.random())

    async def start(self, clients: int = 6) -> None:
        """Begin to ask, for as long as `stop` is not called."""
        await self.register()
        for url in self.urls:
            for user in self.users:
                await self.sign_in(url, user)
        self._tasks = [asyncio.create_task(self._go_on()) for _ in range(clients)]

    async def progress(self, more: int = 30, timeout_s: float = 60) -> None:
        """Wait until so many more requests were accepted."""
        wanted = self.accepted + more
        async with asyncio.timeout(timeout_s):
            while self.accepted < wanted:
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Ask nothing new; what was asked is asked until it is accepted."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """End, whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


@asynccontextmanager
async def loading(load: Load, clients: int = 6, warm_up: int = 20) -> AsyncIterator[Load]:
    """Load while the block runs; everything that was asked is accepted when it has ended."""
    try:
        await load.start(clients)
        await load.progress(warm_up)
        yield load
        await load.stop()
    finally:
        await load.close()
