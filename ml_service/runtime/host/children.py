"""Keeps a model's processes: one that is warm, a spare one while a batch is being isolated, and none that is dead."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Literal

import structlog

from ml_service.runtime import frames
from ml_service.runtime.host.child_process import ChildProcess, ProcessEnded
from ml_service.runtime.host.declarations import Declared, WrongDeclaration, declared_from, differences
from ml_service.runtime.host.failure_log import FailureLog
from ml_service.runtime.host.model_files import ModelFilesError, fingerprint
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.host.reasons import public_reason

ChildState = Literal["loading", "ready", "sleeping", "failed", "stopped"]

_log = structlog.get_logger(__name__)


class ModelUnavailable(Exception):
    """The model cannot be loaded for the moment; the message says why. No input is to blame."""


class _LoadFailed(Exception):
    """One attempt to load failed; the message is a sentence."""


class Children:
    """The processes of one model, always restarted.

    Attributes:
        state: ``ready`` while at least one is warm; ``sleeping`` without one, until the next batch.
        error: Why the last attempt to load failed; empty after one that did not.
        declared: What the model declares; None until it was loaded once.
        load_s: How long the last load took: the price of a death.
        deaths: How many ended without being asked to.
        failures: Logs the inputs that the model fails on.
    """

    def __init__(self, source: ModelSource, limits: ModelLimits) -> None:
        self._source = source
        self.failures = FailureLog(source.name)
        self._limits = limits
        self._wanted = 1
        self._warm: list[ChildProcess] = []
        self._not_reaped: set[asyncio.Task[str]] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._failed_loads = 0
        self._idle_deaths = 0
        self._files = ""
        self._is_asleep = False
        self._uses = 0
        self._used_at = time.monotonic()
        self.state: ChildState = "loading"
        self.error = ""
        self.declared: Declared | None = None
        self.load_s = 0.0
        self.deaths = 0

    async def start(self, *, lazily: bool = False) -> None:
        """Begin to keep a process; return when the first attempt to load is over, well or not.

        Args:
            lazily: Only read what the model declares, and let it sleep; does nothing for models that never sleep.
        """
        if self._keeper is None:
            self._is_asleep = lazily and self._limits.idle_s > 0
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self._source.name}")
        while self.state == "loading":
            await self._news()

    async def close(self) -> None:
        """End all processes."""
        self.state = "stopped"
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        warm, self._warm = self._warm, []
        self._tell()
        await asyncio.gather(*(child.close(self._limits.close_grace_s) for child in warm))
        await asyncio.gather(*self._not_reaped)

    @property
    def pids(self) -> list[int]:
        """The living processes; the first one is at work."""
        return [child.pid for child in self._warm]

    async def wait_ready(self) -> None:
        """Wait until a process is warm, or the model sleeps and can be woken, however long that takes.

        Raises:
            ModelUnavailable: The host was closed.
        """
        while self.state not in ("ready", "sleeping"):
            if self.state == "stopped":
                raise ModelUnavailable(f"The model {self._source.name} is stopped.")
            await self._news()

    async def first(self, timeout_s: float | None = None) -> ChildProcess:
        """Return a warm process; wait for one while the model is being loaded. A model that sleeps is woken.

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
            self._wake()
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

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While a batch is under way the model does not fall asleep."""
        self._uses += 1
        try:
            yield
        finally:
            self._uses -= 1
            self._used_at = time.monotonic()
            self._tell()

    def _wake(self) -> None:
        if self.state == "sleeping":
            _log.info("model_wakes", model=self._source.name)
            self._is_asleep = False
            self.state = "loading"
            self._tell()

    async def _sleep(self) -> None:
        """End the processes until the next batch."""
        _log.info("model_sleeps", model=self._source.name, idle_s=self._limits.idle_s)
        self._is_asleep = True
        self.state = "sleeping"
        warm, self._warm = self._warm, []
        self._tell()
        try:
            await asyncio.gather(*(child.close(self._limits.close_grace_s) for child in warm))
        finally:
            for child in warm:
                child.kill()

    def served(self) -> None:
        """Note that a process answered: the next death is not one of a series."""
        self._idle_deaths = 0

    async def _keep(self) -> None:
        while True:
            try:
                await self._keep_one()
            except _LoadFailed as error:
                self._note_failed(str(error))
            except Exception as error:  # noqa: BLE001  such as EAGAIN or EMFILE: a later attempt may succeed
                _log.exception("model_start_failed", model=self._source.name)
                self._note_failed(f"The worker could not start the model ({type(error).__name__}: {error}).")

    async def _keep_one(self) -> None:
        """Load a process where one is missing; else wait for a change."""
        if self.state == "sleeping":
            await self._news()
        elif len(self._warm) >= self._wanted:
            if await self._is_idle():
                await self._sleep()
        else:
            await asyncio.sleep(self._pause_s())
            if self._is_asleep:
                await self._declare()
            else:
                self._add(await self._load())
            self._tell()

    def _note_failed(self, reason: str) -> None:
        self._failed_loads += 1
        self.error = public_reason(reason, self._source.path.parent.parent)
        if not self._warm:
            self.state = "failed"
        _log.error("model_load_failed", model=self._source.name, reason=self.error, retry_in_s=self._pause_s())
        self._tell()

    async def _is_idle(self) -> bool:
        """Wait until anything changes, or the model was asked nothing for so long that it should sleep."""
        idle_s = self._limits.idle_s
        if not idle_s or self._uses:
            await self._news()
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._used_at + idle_s - time.monotonic()):
                await self._news()
        return not self._uses and time.monotonic() >= self._used_at + idle_s

    def _pause_s(self) -> float:
        """Return the seconds until the next attempt: none after a first death, more after each of a series."""
        series = self._failed_loads + max(0, self._idle_deaths - 1)
        pause_s = self._limits.backoff_s_min * 2.0 ** min(series - 1, 30)
        return min(pause_s, self._limits.backoff_s_max) if series else 0.0

    async def _declare(self) -> None:
        """Read what the model declares, and let it sleep."""
        started = time.monotonic()
        files = await self._checked_files()
        child = await self._start()
        try:
            self.declared = await self._declared(child, started)
        finally:
            child.kill()
        self._files = files
        self._failed_loads = 0
        self.error = ""
        self.state = "sleeping"

    async def _start(self) -> ChildProcess:
        child = await ChildProcess.start(self._source, self._limits)
        self._not_reaped.add(child.gone)
        child.gone.add_done_callback(self._not_reaped.discard)
        return child

    async def _load(self) -> ChildProcess:
        started = time.monotonic()
        files = await self._checked_files()
        child = await self._start()
        try:
            self.declared = await self._await_load(child, started)
        except BaseException:
            child.kill()
            raise
        self._files = files
        self.load_s = time.monotonic() - started
        return child

    async def _checked_files(self) -> str:
        try:
            files = await asyncio.to_thread(fingerprint, self._source.path.parent)
        except ModelFilesError as error:
            raise _LoadFailed(str(error)) from error
        if self._files not in ("", files):
            raise _LoadFailed(
                f"The files of {self._source.path.parent} were changed after the model was loaded: restart the workers "
                f"or this model alone (python3 start.py --cli models restart {self._source.name}), to serve the new "
                "code, under a new version if its answers or its schemas differ."
            )
        return files

    async def _await_load(self, child: ChildProcess, started: float) -> Declared:
        """Wait until the model is imported and then loaded; both share one time."""
        declared = await self._declared(child, started)
        timeout_s = declared.load_timeout_s or self._limits.load_timeout_s
        child.send(frames.frame(frames.LOAD))
        kind, payload = await self._load_frame(child, started, timeout_s)
        if kind != frames.LOADED:
            raise _LoadFailed(payload.decode(errors="replace"))
        return declared

    async def _declared(self, child: ChildProcess, started: float) -> Declared:
        # The model's own limit is not known before it is imported, which may take long where the file imports much.
        kind, payload = await self._load_frame(child, started, self._limits.load_timeout_s)
        if kind != frames.DECLARED:
            raise _LoadFailed(payload.decode(errors="replace"))
        try:
            declarations = json.loads(payload)
            now = declared_from({**declarations, "pool": self._limits.pool} if self._limits.pool else declarations)
        except WrongDeclaration as error:
            raise _LoadFailed(str(error)) from error
        return self._as_announced(now)

    def _as_announced(self, now: Declared) -> Declared:
        """Return what was declared first and announced since; refuse a process that would answer otherwise."""
        if self.declared is None:
            return now
        if others := differences(self.declared, now):
            raise _LoadFailed(
                f"The model declares other values than were announced ({', '.join(others)}), though its code is the "
                "same: a file that it reads was changed. Put it back, or restart the workers or this model alone "
                f"(python3 start.py --cli models restart {self._source.name}), under a new version if a schema differs."
            )
        return self.declared

    async def _load_frame(self, child: ChildProcess, started: float, timeout_s: float) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(started + timeout_s - time.monotonic()):
                return await child.frames.receive()
        except TimeoutError:
            await child.abort()
            raise _LoadFailed(
                f"The model was not loaded in {timeout_s:g} s (load_timeout_s of the model, or MODEL_LOAD_TIMEOUT_S)."
            ) from None
        except ProcessEnded:
            raise _LoadFailed(f"The model's process {await child.gone} while it loaded.") from None

    def _add(self, child: ChildProcess) -> None:
        self._failed_loads = 0
        self.error = ""
        self.state = "ready"
        self._used_at = time.monotonic()
        self._warm.append(child)
        child.gone.add_done_callback(lambda gone: self._remove(child, gone))
        _log.info("model_loaded", model=self._source.name, pid=child.pid, load_s=round(self.load_s, 3))

    def _remove(self, child: ChildProcess, gone: asyncio.Task[str]) -> None:
        if child not in self._warm:
            return  # closed
        self._warm.remove(child)
        if not self._warm:
            self.state = "loading"
        if not child.was_told_to_end:
            self.deaths += 1
            self._idle_deaths += self._wanted == 1
            _log.warning("model_process_ended", model=self._source.name, pid=child.pid, how=gone.result())
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
