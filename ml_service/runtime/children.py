"""Keeps a model's processes: one that is warm, a spare one while a batch is being isolated, and none that is dead."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Literal

import structlog

from ml_service.runtime import frames
from ml_service.runtime.process import ChildProcess, ProcessEnded
from ml_service.runtime.registry import ModelSource
from ml_service.runtime.spec import Declared, WrongDeclaration, declared_from

State = Literal["loading", "ready", "failed", "stopped"]

_log = structlog.get_logger(__name__)


class ModelUnavailable(Exception):
    """The model cannot be loaded for the moment; the message says why. No input is to blame."""


class _LoadFailed(Exception):
    """One attempt to load failed; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker grants each of its models.

    Attributes:
        load_timeout_s: A model that is not loaded by then is killed and tried again.
        memory_bytes_max: Private memory of a model's process, where the model declares no own limit.
        output_bytes_max: JSON of one output.
        isolation_s_min: Time to find the inputs that end a model's process, however fast the model is.
        isolation_s_max: The same, however slow. With the longest `timeout_s` it stays below the 30 minutes after
            which RabbitMQ takes an unacknowledged delivery back.
        backoff_s_min: The first pause before a model that could not be loaded is tried again; it doubles.
        backoff_s_max: The longest one.
        close_grace_s: What a process gets to end by itself.
    """

    load_timeout_s: float = 120.0
    memory_bytes_max: int = 4 * 2**30
    output_bytes_max: int = 2**20
    isolation_s_min: float = 60.0
    isolation_s_max: float = 900.0
    backoff_s_min: float = 0.5
    backoff_s_max: float = 30.0
    close_grace_s: float = 2.0


class Children:
    """The processes of one model, restarted for ever.

    Attributes:
        state: ``ready`` while at least one is warm.
        error: Why the last attempt to load failed; empty after one that did not.
        declared: What the model declares; None until it was loaded once.
        load_s: How long the last load took: the price of a death.
        deaths: How many ended without being asked to.
    """

    def __init__(self, source: ModelSource, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._wanted = 1
        self._warm: list[ChildProcess] = []
        self._not_reaped: set[asyncio.Task[str]] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._failed_loads = 0
        self._idle_deaths = 0
        self.state: State = "loading"
        self.error = ""
        self.declared: Declared | None = None
        self.load_s = 0.0
        self.deaths = 0

    async def start(self) -> None:
        """Begin to keep a process; return when the first attempt to load is over, well or not."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self._source.name}")
        while self.state == "loading":
            await self._news()

    async def close(self) -> None:
        """End all processes."""
        self.state = "stopped"
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        warm, self._warm = self._warm, []
        self._tell()
        await asyncio.gather(*(child.close(self._limits.close_grace_s) for child in warm))
        await asyncio.gather(*self._not_reaped)

    @property
    def pids(self) -> list[int]:
        """The living processes; the first one is at work."""
        return [child.pid for child in self._warm]

    async def wait_ready(self) -> None:
        """Wait until a process is warm, for ever if need be.

        Raises:
            ModelUnavailable: The host was closed.
        """
        while self.state != "ready":
            if self.state == "stopped":
                raise ModelUnavailable(f"The model {self._source.name} is stopped.")
            await self._news()

    async def first(self, timeout_s: float | None = None) -> ChildProcess:
        """Return a warm process; wait for one while the model is being loaded.

        Args:
            timeout_s: Wait so long even where loading fails. None: a failure is the answer.

        Raises:
            ModelUnavailable: There is none in that time.
        """
        deadline = time.monotonic() + (self._limits.load_timeout_s if timeout_s is None else timeout_s)
        while self.state != "stopped" and not (timeout_s is None and self.state == "failed"):
            for child in self._warm:
                if not child.frames.ended.is_set():
                    return child
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._news()
            except TimeoutError:
                break
        raise ModelUnavailable(self.error or f"The model {self._source.name} is not loaded.")

    def keep_spare(self, *, wanted: bool) -> None:
        """Keep a second warm process, or no longer."""
        if self._wanted == 1 + wanted:
            return
        self._wanted = 1 + wanted
        for child in self._warm[self._wanted :]:
            child.kill()
        self._tell()

    def served(self) -> None:
        """Note that a process answered: the next death is not one of a series."""
        self._idle_deaths = 0

    async def _keep(self) -> None:
        while True:
            if len(self._warm) >= self._wanted:
                await self._news()
                continue
            await asyncio.sleep(self._pause_s())
            try:
                self._add(await self._load())
            except _LoadFailed as error:
                self._failed_loads += 1
                self.error = str(error)
                if not self._warm:
                    self.state = "failed"
                _log.error("model not loaded", model=self._source.name, reason=self.error, retry_in_s=self._pause_s())
            self._tell()

    def _pause_s(self) -> float:
        """Return the seconds until the next attempt: none after a first death, more after each of a series."""
        series = self._failed_loads + max(0, self._idle_deaths - 1)
        pause_s = self._limits.backoff_s_min * 2.0 ** min(series - 1, 30)
        return min(pause_s, self._limits.backoff_s_max) if series else 0.0

    async def _load(self) -> ChildProcess:
        started = time.monotonic()
        child = await ChildProcess.start(self._source, self._limits.memory_bytes_max, self._limits.output_bytes_max)
        self._not_reaped.add(child.gone)
        child.gone.add_done_callback(self._not_reaped.discard)
        try:
            self.declared = await self._await_load(child)
        except BaseException:
            child.kill()
            raise
        self.load_s = time.monotonic() - started
        return child

    async def _await_load(self, child: ChildProcess) -> Declared:
        try:
            async with asyncio.timeout(self._limits.load_timeout_s):
                kind, payload = await child.frames.receive()
        except TimeoutError:
            await child.abort()
            raise _LoadFailed(f"The model was not loaded in {self._limits.load_timeout_s:g} s.") from None
        except ProcessEnded:
            raise _LoadFailed(f"The model's process {await child.gone} while it loaded.") from None
        if kind != frames.LOADED:
            raise _LoadFailed(payload.decode(errors="replace"))
        try:
            return declared_from(json.loads(payload))
        except WrongDeclaration as error:
            raise _LoadFailed(str(error)) from error

    def _add(self, child: ChildProcess) -> None:
        self._failed_loads = 0
        self.error = ""
        self.state = "ready"
        self._warm.append(child)
        child.gone.add_done_callback(lambda gone: self._remove(child, gone))
        _log.info("model loaded", model=self._source.name, pid=child.pid, load_s=round(self.load_s, 3))

    def _remove(self, child: ChildProcess, gone: asyncio.Task[str]) -> None:
        if child not in self._warm:
            return  # closed
        self._warm.remove(child)
        if not self._warm:
            self.state = "loading"
        if not child.was_told_to_end:
            self.deaths += 1
            self._idle_deaths += self._wanted == 1
            _log.warning("model process ended", model=self._source.name, pid=child.pid, how=gone.result())
        self._tell()

    async def _news(self) -> None:
        """Wait until anything changes."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
