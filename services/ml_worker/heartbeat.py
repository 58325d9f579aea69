"""Says that this worker lives: an advisory lock that goes with the process, and a lease on the database's clock.

The lock tells within a second that a worker was killed. The lease tells, some seconds later, that one is frozen.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.models import ModelState
from ml_service.storage import model_restarts, workers
from ml_service.storage.database import Database

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Presence:
    """What a worker says of itself at this moment.

    Attributes:
        models: What it serves, each as name@version.
        model_states: Of each model that it should serve, by name.
    """

    pools: tuple[str, ...]
    models: tuple[str, ...]
    model_states: dict[str, ModelState]
    state: str


class Heartbeat:
    """Keeps the worker's row in ``workers`` fresh, through restarts of the database.

    Args:
        presence: Asked at each beat.
        heard: Given what is said on the channel of restarts, which a worker hears by this connection.
        interval_s, lease_s: Seconds between two beats, and how long one is good for.
    """

    def __init__(
        self,
        database: Database,
        database_url: str,
        worker_id: str,
        presence: Callable[[], Presence],
        *,
        heard: Callable[[str], None],
        interval_s: float,
        lease_s: float,
    ) -> None:
        self._database = database
        self._database_url = database_url
        self._worker_id = worker_id
        self._presence = presence
        self._heard = heard
        self._interval_s = interval_s
        self._lease_s = lease_s
        self._number: int | None = None
        self._beat_now = asyncio.Event()
        self._beaten_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the lease still runs, by this process's clock."""
        return self._beaten_at is not None and time.monotonic() - self._beaten_at < self._lease_s

    async def start(self) -> None:
        """Begin; the first beat comes as soon as the database answers."""
        self._task = asyncio.create_task(self._run())

    def changed(self) -> None:
        """Beat now: there is news."""
        self._beat_now.set()

    async def stop(self) -> None:
        """Stop, and mark the worker as stopped if the database answers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with self._database.autocommit() as session:
                await workers.stop(session, self._worker_id)
        except DatabaseUnavailable as error:
            log.warning("worker_not_marked_stopped", error=error.message)

    async def _run(self) -> NoReturn:
        while True:
            try:
                # A number of its own for each connection: the lock of a broken one may linger on the server.
                async with self._database.own_connection(self._database_url, f"ml-service {self._worker_id}") as own:
                    number = await workers.next_number(own)
                    await workers.hold_lock(own, number)
                    await own.add_listener(model_restarts.CHANNEL, lambda *told: self._heard(told[-1]))
                    while True:
                        self._beat_now.clear()
                        presence = self._presence()
                        await workers.beat(
                            own,
                            self._worker_id,
                            number,
                            socket.gethostname(),
                            os.getpid(),
                            pools=presence.pools,
                            models=presence.models,
                            model_states=presence.model_states,
                            state=presence.state,
                            lease_s=self._lease_s,
                        )
                        self._beaten_at = time.monotonic()
                        await _wait(self._beat_now, self._interval_s)
            except Exception as error:  # noqa: BLE001  a lost connection has many names; without a lease another worker may reclaim our work
                log.warning("heartbeat_interrupted", error=repr(error))
                await asyncio.sleep(1)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
