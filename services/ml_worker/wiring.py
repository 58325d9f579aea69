"""Wires a worker: models in their own processes, a heartbeat, and a consumer for each pool."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from typing import NoReturn

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.ids import new_id
from ml_service.domain.models import ModelSpec, ModelState
from ml_service.messaging.queue import Queue
from ml_service.platform.health_file import keep_health_file_fresh
from ml_service.platform.sd_notify import ask_for_patience, notify
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.runtime.host.model_folders import Discovered, UnknownModel, discover, is_meant, survey
from ml_service.runtime.host.model_host import ModelHost
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.host.orphans import adopt_orphans
from ml_service.storage import models
from ml_service.storage.database import Database
from ml_service.wiring import open_database, open_queue
from services.ml_worker.heartbeat import Heartbeat, Presence
from services.ml_worker.lane import Lane
from services.ml_worker.metrics import WorkerMetrics
from services.ml_worker.pool import PoolConsumer
from services.ml_worker.restarts import Restarts
from services.ml_worker.rows import LaneRows

log = structlog.get_logger()

NAME = "ml-service worker"
POSTGRESQL_CONNECTIONS_MAX = 4
_PATIENCE_S = 60.0
_CLOSING_S = 15.0
"""What ends after the drain: consumers, models, connections."""


class WorkerService:
    """One worker process: its models, its heartbeat, and a consumer for each pool that its models belong to."""

    def __init__(
        self,
        settings: WorkerSettings,
        database: Database,
        relaxed: Database,
        queue: Queue,
        hosts: dict[str, ModelHost],
        problems: dict[str, str],
    ) -> None:
        name = settings.worker_name or socket.gethostname()
        self.id = f"{name}-{new_id().hex[-8:]}"
        self.hosts = hosts
        self._metrics = WorkerMetrics()
        self._left_out = {name: ModelState("failed", reason=problem) for name, problem in problems.items()}
        self._settings = settings
        self._database = database
        self._relaxed = relaxed
        self._queue = queue
        self._pools: dict[str, PoolConsumer] = {}
        self._opening = asyncio.Lock()
        self._lanes: dict[str, Lane] = {}  # by the host's name
        self._serving: dict[str, asyncio.Task[None]] = {}  # by the host's name
        self._refused: dict[str, ModelState] = {}  # by the host's name
        self._tried: set[str] = set()  # whose first start has ended, one way or the other
        self._state = "starting"
        self._changing = asyncio.Lock()  # held while a model is let go or taken up
        self._restarts = Restarts(self.id, database, self._restart, interval_s=settings.worker_heartbeat_s)
        self.heartbeat = Heartbeat(
            database,
            settings.database_url,
            self.id,
            self.presence,
            heard=self._restarts.hear,
            interval_s=settings.worker_heartbeat_s,
            lease_s=settings.worker_lease_s,
        )

    def presence(self) -> Presence:
        """What the heartbeat says."""
        is_open = self._state in ("starting", "ready")
        served = [lane.spec.full_name for lane in self._lanes.values() if lane.is_open and is_open]
        states = {
            name: ModelState(host.state, host.version, host.error, host.pool) for name, host in self.hosts.items()
        }
        states = {**self._left_out, **states, **self._refused}
        return Presence(tuple(sorted(self._pools)), tuple(sorted(served)), states, self._state)

    def _is_well(self) -> bool:
        return self._state == "ready" and self.heartbeat.is_alive

    async def serve(self, stop: asyncio.Event) -> None:
        """Load the models and work until ``stop``; then finish what has begun."""
        self._serving = {name: asyncio.create_task(self._serve_model(name)) for name in self._in_order()}
        watching = [
            asyncio.create_task(keep_health_file_fresh(self._settings.alive_file, self._is_well)),
            asyncio.create_task(self._restarts.watch()),
            asyncio.create_task(self._look_after_versions()),
            asyncio.create_task(self._ask_for_patience()),
        ]
        if not self.hosts:
            self._note_ready()
        close_metrics = self._metrics.listen(self._settings.metrics_host, self._settings.metrics_port)
        try:
            await stop.wait()
        finally:
            await asyncio.to_thread(close_metrics)
            await _canceled(watching)
            await _canceled(self._serving.values())
        await self._drain()

    def _in_order(self) -> list[str]:
        """The default model first: the service is healthy when it answers."""
        return sorted(self.hosts, key=lambda name: name != self._settings.default_model)

    async def _serve_model(self, name: str) -> None:
        """Start a model, announce it, and take its tasks; a model that cannot start is tried again until it can."""
        host = self.hosts[name]
        # A bundled model is known to load: it is there when it is wanted. Whether one's own does is seen at once.
        await host.start(lazily=host.source.is_bundled and name != self._settings.default_model)
        if host.state == "failed":
            log.error("model_not_loaded", model=name, error=host.error)
            self._note_ready(name)
            await host.wait_ready()
        if not await self._announce(host.spec):
            await host.close()
            self._note_ready(name)
            return
        pool = await self._pool_of(host.spec)
        lane = self._lanes[name] = self._lane(host, pool)
        pool.add(lane)
        await self._replace_old_release([name])
        log.info("model_ready", model=name, version=host.spec.version, load_s=round(host.load_s, 2))
        self._note_ready(name)

    async def _look_after_versions(self) -> NoReturn:
        """Take over from workers that have gone: their versions are still the default ones, their pools announced.

        And report models no longer that have gone themselves.
        """
        while True:
            await asyncio.sleep(self._settings.worker_heartbeat_s)
            await self._replace_old_release(list(self._lanes))
            await self._follow_pools()
            try:
                await self._drop_gone()
            except Exception:
                log.exception("models_not_looked_at")  # the models that are served must not suffer

    async def _follow_pools(self) -> None:
        """Announce again what was announced last by workers of another pool that have all gone."""
        try:
            async with self._database.autocommit() as session:
                again = await models.of_empty_pools(session, [lane.spec for lane in self._lanes.values()])
                if again:
                    log.warning("models_announced_again", models=[one.full_name for one in again])
                    await models.announce(session, again)
        except DatabaseUnavailable:
            return  # it is looked again with the next heartbeat
        except Exception:
            log.exception("models_not_announced_again")  # the models that are served must not suffer

    async def _replace_old_release(self, names: Sequence[str]) -> None:
        """After an update of the service no worker may have the old version of a bundled model: name the new one."""
        bundled = [self._lanes[name].key for name in names if self.hosts[name].source.is_bundled]
        if not bundled:
            return
        try:
            async with self._database.autocommit() as session:
                for model in await models.replace_unserved(session, bundled):
                    log.warning("model_default_replaced", model=model, why="no worker serves the one before")
        except DatabaseUnavailable:
            return  # it is looked again with the next heartbeat
        except Exception:
            log.exception("model_default_not_replaced")  # the models that are served must not suffer

    async def _restart(self, name: str) -> None:
        """Finish what has begun with a model, and serve it with its files as they are now; or take it up."""
        async with self._changing:
            await self._begin_again(name)

    async def _begin_again(self, name: str) -> None:
        if name not in self.hosts:
            await self._look_again(name)
            return
        log.info("model_restarts", model=name)
        await _canceled([self._serving[name]])
        lane = self._lanes.pop(name, None)
        self._refused.pop(name, None)
        self.heartbeat.changed()
        # Whatever becomes of the old process, the model is served again.
        if lane is not None:
            try:
                await self._pools[lane.spec.pool].remove(lane)
            except Exception:
                log.exception("lane_not_drained", model=name)
        old = self.hosts[name]
        try:
            await old.close()
        except Exception:
            log.exception("model_not_closed", model=name)
        if old.source.is_gone:
            del self.hosts[name]
            await self._look_again(name)
        else:
            self._take_up(name, old.renewed())

    def _take_up(self, name: str, host: ModelHost) -> None:
        self.hosts[name] = host
        self._serving[name] = asyncio.create_task(self._serve_model(name))

    async def _look_again(self, name: str) -> None:
        """Serve a model that this worker did not find so far, or say what is wrong with its folder now."""
        found = await asyncio.to_thread(_found, self._settings, [name])
        self._left_out.pop(name, None)
        if name in found.models:
            self._take_up(name, ModelHost(found.models[name], ModelLimits.of(self._settings)))
        elif problem := found.problems.get(name):
            log.error("model_left_out", model=name, reason=problem)
            self._left_out[name] = ModelState("failed", reason=problem)
        else:
            log.warning("model_not_found", model=name)
        self._note_ready()

    async def _drop_gone(self) -> None:
        """Report a model no longer that is not served anyway, and whose folder was removed."""
        async with self._changing:
            failed = [name for name, host in self.hosts.items() if host.state == "failed" or name in self._refused]
            gone = [name for name in failed if name not in self._lanes and self.hosts[name].source.is_gone]
            if left_out := self._left_out.keys() - {self._settings.models_folder.name}:  # a problem with all of them
                there = await asyncio.to_thread(survey, self._settings.models_folder)
                gone += left_out - there.models.keys() - there.problems.keys()
            for name in gone:
                await self._begin_again(name)

    async def _ask_for_patience(self) -> None:
        """Let the supervisor wait while models load: each has a time of its own for that."""
        while self._state == "starting":
            ask_for_patience(_PATIENCE_S)
            await asyncio.sleep(_PATIENCE_S / 4)

    def _note_ready(self, *tried: str) -> None:
        """Become ready with the default model, or without it once it turned out that it cannot be served.

        A worker that can serve none of its models has started, too: it tries them again, and its status says why.
        """
        self._tried.update(tried)
        is_awaited = self._settings.default_model in self.hosts.keys() - self._tried
        if self._state == "starting" and self._lanes and not is_awaited:
            self._state = "ready"
            log.info("worker_ready", models=self.presence().models)
        if self._state == "ready" or self._tried >= self.hosts.keys():
            notify("READY=1")
        self.heartbeat.changed()
        presence = self.presence()
        failed = [f"{name} failed" for name, one in presence.model_states.items() if one.state == "failed"]
        notify(f"STATUS={self.id}: " + ", ".join([*presence.models, *failed]))

    async def _pool_of(self, spec: ModelSpec) -> PoolConsumer:
        async with self._opening:  # of two models of a pool, the second waits until its consumer has started
            if spec.pool not in self._pools:
                pool = PoolConsumer(spec.pool, self._queue, self._database, self._settings.prefetch_batches)
                await pool.start(spec.batch_size)
                self._pools[spec.pool] = pool
            return self._pools[spec.pool]

    def _lane(self, host: ModelHost, pool: PoolConsumer) -> Lane:
        rows = LaneRows(
            host.spec,
            self.id,
            self._database,
            self._relaxed,
            attempts_max=self._settings.attempts_max,
            retry_s_max=self._settings.model_retry_s_max,
            metrics=self._metrics,
        )
        return Lane(host, rows, self._queue, pool.consumer, self._metrics)

    async def _announce(self, spec: ModelSpec) -> bool:
        """Announce the model; returns False if it is refused, which is logged and shown with the worker."""
        reason = ""
        while True:
            try:
                async with self._database.autocommit() as session:
                    if await models.announce(session, [spec]):
                        reason = (
                            f"Version {spec.version} of {spec.name} was announced before with other schemas, and the"
                            " schemas of a version never change: give the model a new version, restart its workers."
                        )
            except DatabaseUnavailable as error:
                log.warning("model_not_announced", model=spec.full_name, error=error.message)
                await asyncio.sleep(1)
                continue
            except Exception as error:  # noqa: BLE001  the worker's other models must not suffer
                reason = f"The database refuses the model's declarations: {error}"
            break
        if reason:
            log.error("model_refused", model=spec.full_name, error=reason)
            self._refused[spec.name] = ModelState("failed", spec.version, reason)
        return not reason

    async def _drain(self) -> None:
        self._state = "stopping"
        self.heartbeat.changed()
        notify("STOPPING=1")
        ask_for_patience(self._settings.drain_timeout_s + _CLOSING_S)
        log.info("worker_drains")
        try:
            async with asyncio.timeout(self._settings.drain_timeout_s):
                await asyncio.gather(*(pool.drain() for pool in self._pools.values()))
        except TimeoutError:
            log.warning("drain_timed_out")
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _found(settings: WorkerSettings, only: Collection[str] | None = None) -> Discovered:
    """The models that a worker with these settings serves, or those of them that ``only`` names.

    Raises:
        UnknownModel: One that the settings name is not there; not where ``only`` is given.
    """
    names, left_out = _names(settings.models) or None, () if settings.worker_pool else _names(settings.models_left_out)
    if only is None:
        return discover(names, settings.models_folder, left_out)
    there = survey(settings.models_folder)
    meant = [one for one in only if is_meant(one, names, left_out, there)]
    return Discovered(
        {name: source for name, source in there.models.items() if name in meant},
        {name: problem for name, problem in there.problems.items() if name in meant},
    )


async def _canceled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _close_all(hosts: dict[str, ModelHost]) -> None:
    await asyncio.gather(*(host.close() for host in hosts.values()))


async def run(settings: WorkerSettings) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        found = _found(settings)
    except UnknownModel as error:
        raise SystemExit(str(error)) from None
    async with AsyncExitStack() as stack:
        database = await open_database(settings, stack, NAME, connections_max=POSTGRESQL_CONNECTIONS_MAX)
        relaxed = await open_database(settings, stack, NAME, connections_max=POSTGRESQL_CONNECTIONS_MAX, durable=False)
        queue = await open_queue(settings, stack, NAME)
        adopt_orphans()
        limits = ModelLimits.of(settings)
        hosts = {name: ModelHost(source, limits) for name, source in found.models.items()}
        stack.push_async_callback(_close_all, hosts)
        worker = WorkerService(settings, database, relaxed, queue, hosts, found.problems)
        structlog.contextvars.bind_contextvars(worker_id=worker.id)
        log.info("worker_starts", pid=os.getpid(), models=list(hosts), queue=settings.backend)
        for name, problem in found.problems.items():
            log.error("model_left_out", model=name, reason=problem)
        await worker.heartbeat.start()
        stack.push_async_callback(worker.heartbeat.stop)
        await worker.serve(stop)
    log.info("worker_stopped")
