"""How calls are sent and their answers read, by each of the two clients."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import CancelledError
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TypeVar

import httpx2

from mls import _calls
from mls._calls import AnswerWait, Call, Retry, Tries
from mls._followed import Followed, ended_in_time
from mls.bulk import LINE_BYTES_MAX, AsyncUpload, Lines, Upload
from mls.errors import ApiError, check_media_type, error_of, read_as
from mls.types import Answered, Prediction

Answer = TypeVar("Answer", bound=Answered)


class Sender:
    """What `Client` is built on; `AsyncSender` is the same for asyncio."""

    def __init__(self, http: httpx2.Client, retry: Retry) -> None:
        self._http = http
        self._retry = retry

    def _ask(self, kind: type[Answer], call: Call, upload: Upload | None = None, retry: Retry | None = None) -> Answer:
        tries = Tries(retry or self._retry, call.key)
        while True:
            try:
                return read_as(kind, self._http.send(call.request(self._http, upload)))
            except (httpx2.TransportError, ApiError) as error:
                time.sleep(tries.pause_s(error))

    def _answer(self, call: Call, timeout_s: float, stop: threading.Event) -> Prediction:
        """Ask until the prediction has ended; raises StillRunning after its time, and CancelledError by ``stop``."""
        wait = AnswerWait(call, timeout_s, self._retry)
        while True:
            try:
                found = read_as(Prediction, self._http.send(wait.next().request(self._http)))
                if not found.is_open:
                    return found
                pause_s = wait.pause_s(found)
            except (httpx2.TransportError, ApiError) as error:
                pause_s = wait.pause_s(error)
            if stop.wait(pause_s):
                raise CancelledError

    def _events(self, followed: Followed) -> Iterator[httpx2.ServerSentEvent]:
        """The events of one connection, which ends with the time of ``followed``."""
        call = _calls.events(followed.prediction_id, followed.last_event_id, followed.silence_s)
        with self._streamed(call) as response, ended_in_time(response, followed.left_s):
            yield from httpx2.EventSource(response, max_event_size=LINE_BYTES_MAX)

    def _parts(self, call: Call, kind: type[Lines]) -> Iterator[tuple[httpx2.Response, bytes]]:
        """The lines or rows of a long answer, each whole and once, over as many connections as it takes."""
        tries, done = Tries(self._retry), 0
        while True:
            try:
                with self._streamed(call) as response:
                    parts = kind(response)
                    came = (part for piece in response.iter_bytes() for part in parts.take(piece))
                    for part in itertools.islice(itertools.chain(came, parts.rest()), done, None):
                        tries.went_well()
                        done += 1
                        yield response, part
            except (httpx2.TransportError, ApiError) as error:
                time.sleep(tries.pause_s(error))
            else:
                return

    @contextmanager
    def _streamed(self, call: Call) -> Iterator[httpx2.Response]:
        """An answer that is read as it comes; raises ApiError."""
        response = self._http.send(call.request(self._http), stream=True)
        try:
            if not response.is_success:
                response.read()
                raise error_of(response)
            check_media_type(response, call.media_type)
            yield response
        finally:
            response.close()


class AsyncSender:
    """What `AsyncClient` is built on."""

    def __init__(self, http: httpx2.AsyncClient, retry: Retry) -> None:
        self._http = http
        self._retry = retry

    async def _ask(
        self, kind: type[Answer], call: Call, upload: Upload | None = None, retry: Retry | None = None
    ) -> Answer:
        tries = Tries(retry or self._retry, call.key)
        while True:
            try:
                content = None if upload is None else AsyncUpload(upload)
                return read_as(kind, await self._http.send(call.request(self._http, content)))
            except (httpx2.TransportError, ApiError) as error:
                await asyncio.sleep(tries.pause_s(error))

    async def _answer(self, call: Call, timeout_s: float) -> Prediction:
        """Ask until the prediction has ended; raises StillRunning after its time."""
        wait = AnswerWait(call, timeout_s, self._retry)
        while True:
            try:
                found = read_as(Prediction, await self._http.send(wait.next().request(self._http)))
                if not found.is_open:
                    return found
                pause_s = wait.pause_s(found)
            except (httpx2.TransportError, ApiError) as error:
                pause_s = wait.pause_s(error)
            await asyncio.sleep(pause_s)

    async def _events(self, followed: Followed) -> AsyncGenerator[httpx2.ServerSentEvent, None]:
        """The events of one connection, which ends with the time of ``followed``."""
        async with aclosing(self._connected(followed)) as events:
            while True:
                try:
                    async with asyncio.timeout(followed.left_s):  # never around a yield: it would end the caller
                        event = await anext(events)
                except (StopAsyncIteration, TimeoutError):
                    return
                yield event

    async def _connected(self, followed: Followed) -> AsyncGenerator[httpx2.ServerSentEvent, None]:
        call = _calls.events(followed.prediction_id, followed.last_event_id, followed.silence_s)
        async with self._streamed(call) as response:
            async for event in httpx2.EventSource(response, max_event_size=LINE_BYTES_MAX):
                yield event

    async def _parts(self, call: Call, kind: type[Lines]) -> AsyncGenerator[tuple[httpx2.Response, bytes], None]:
        """The lines or rows of a long answer, each whole and once, over as many connections as it takes."""
        tries, done = Tries(self._retry), 0
        while True:
            try:
                async with self._streamed(call) as response, aclosing(_divided(response, kind)) as parts:
                    number = 0
                    async for some in parts:
                        for part in some:
                            number += 1
                            if number > done:
                                tries.went_well()
                                done = number
                                yield response, part
            except (httpx2.TransportError, ApiError) as error:
                await asyncio.sleep(tries.pause_s(error))
            else:
                return

    @asynccontextmanager
    async def _streamed(self, call: Call) -> AsyncIterator[httpx2.Response]:
        """An answer that is read as it comes; raises ApiError."""
        response = await self._http.send(call.request(self._http), stream=True)
        try:
            if not response.is_success:
                await response.aread()
                raise error_of(response)
            check_media_type(response, call.media_type)
            yield response
        finally:
            await response.aclose()


async def _divided(response: httpx2.Response, kind: type[Lines]) -> AsyncGenerator[Iterator[bytes], None]:
    """What ends in each piece of an answer, and what nothing ends."""
    parts = kind(response)
    async for piece in response.aiter_bytes():
        yield parts.take(piece)
    yield parts.rest()
