"""Wires a worker: models in their own processes, a heartbeat, and a consumer for each pool."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import AsyncExitStack

import structlog

from ml_service.alive import keep_touching
from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.models import ModelSpec
from ml_service.domain.predictions import new_id
from ml_service.messaging.queue import Queue
from ml_service.notify import notify
from ml_service.runtime.host import ModelHost
from ml_service.runtime.registry import UnknownModel, discover
from ml_service.settings import Settings
from ml_service.storage import models
from ml_service.storage.database import Database
from ml_service.wiring import open_database, open_queue
from services.ml_worker.heartbeat import Heartbeat, Presence
from services.ml_worker.lane import Lane
from services.ml_worker.pool import PoolConsumer

log = structlog.get_logger()

NAME = "ml-service worker"
CONNECTIONS_MAX = 4


class Worker:
    """One worker process: its models, its heartbeat, and a consumer for each pool that its models belong to."""

    def __init__(
        self, settings: Settings, database: Database, relaxed: Database, queue: Queue, hosts: dict[str, ModelHost]
    ) -> None:
        name = settings.worker_name or socket.gethostname()
        self.id = f"{name}-{new_id().hex[-8:]}"
        self.hosts = hosts
        self._settings = settings
        self._database = database
        self._relaxed = relaxed
        self._queue = queue
        self._pools: dict[str, PoolConsumer] = {}
        self._state = "starting"
        self.heartbeat = Heartbeat(
            database,
            settings.database_url,
            self.id,
            self.presence,
            interval_s=settings.worker_heartbeat_s,
            lease_s=settings.worker_lease_s,
        )

    def presence(self) -> Presence:
        """What the heartbeat says."""
        ready = tuple(name for name, host in self.hosts.items() if host.ready and self._state == "ready")
        return Presence(tuple(sorted(self._pools)), ready, self._state)

    def _is_well(self) -> bool:
        return self._state == "ready" and self.heartbeat.is_alive

    async def serve(self, stop: asyncio.Event) -> None:
        """Load the models and work until ``stop``; then finish what has begun."""
        serving = [asyncio.create_task(self._serve_model(name)) for name in self._in_order()]
        serving.append(asyncio.create_task(keep_touching(self._settings.alive_file, self._is_well)))
        try:
            await stop.wait()
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
        await self._drain()

    def _in_order(self) -> list[str]:
        """The default model first: the service is healthy when it answers."""
        return sorted(self.hosts, key=lambda name: name != self._settings.default_model)

    async def _serve_model(self, name: str) -> None:
        """Start a model, announce it, and take its tasks; a model that cannot start is tried again for ever."""
        host = self.hosts[name]
        await host.start()
        if not host.ready:
            log.error("model_not_loaded", model=name, error=host.error)
            await host.wait_ready()
        await self._announce(host.spec)
        pool = self._pools.get(host.spec.pool)
        if pool is None:
            pool = self._pools[host.spec.pool] = PoolConsumer(
                host.spec.pool, self._queue, self._settings.prefetch_batches
            )
            await pool.start(host.spec.batch_size)
        pool.add(self._lane(host, pool))
        log.info("model_ready", model=name, version=host.spec.version, load_s=round(host.load_s, 2))
        if self._state == "starting" and (
            name == self._settings.default_model or self._settings.default_model not in self.hosts
        ):
            self._state = "ready"
            log.info("worker_ready", models=self.presence().models)
            notify("READY=1")
        self.heartbeat.changed()
        notify(f"STATUS={self.id}: " + ", ".join(self.presence().models))

    def _lane(self, host: ModelHost, pool: PoolConsumer) -> Lane:
        attempts_max = self._settings.attempts_max
        return Lane(host, self._database, self._relaxed, self._queue, pool.consumer, self.id, attempts_max)

    async def _announce(self, spec: ModelSpec) -> None:
        while True:
            try:
                async with self._database.autocommit() as session:
                    await models.announce(session, [spec])
            except DatabaseUnavailable as error:
                log.warning("model_not_announced", model=spec.name, error=error.message)
                await asyncio.sleep(1)
            else:
                return

    async def _drain(self) -> None:
        self._state = "stopping"
        self.heartbeat.changed()
        notify("STOPPING=1")
        log.info("worker_drains")
        try:
            async with asyncio.timeout(self._settings.drain_timeout_s):
                await asyncio.gather(*(pool.drain() for pool in self._pools.values()))
        except TimeoutError:
            log.warning("drain_timed_out")
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    names = [name.strip() for name in settings.models.split(",") if name.strip()] or None
    try:
        sources = discover(names, settings.models_folder)
    except UnknownModel as error:
        raise SystemExit(str(error)) from None
    async with AsyncExitStack() as stack:
        database = await open_database(settings, stack, NAME, connections_max=CONNECTIONS_MAX)
        relaxed = await open_database(settings, stack, NAME, connections_max=CONNECTIONS_MAX, durable=False)
        queue = await open_queue(settings, stack, NAME)
        hosts = {name: ModelHost(source) for name, source in sources.items()}
        for host in hosts.values():
            stack.push_async_callback(host.close)
        worker = Worker(settings, database, relaxed, queue, hosts)
        structlog.contextvars.bind_contextvars(worker_id=worker.id)
        log.info("worker_starts", pid=os.getpid(), models=list(hosts), queue=settings.backend)
        await worker.heartbeat.start()
        stack.push_async_callback(worker.heartbeat.stop)
        await worker.serve(stop)
    log.info("worker_stopped")
