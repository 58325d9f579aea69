"""The native engine: PostgreSQL, the queue, the app, workers and the bot, kept running in the right order.

Started: PostgreSQL and RabbitMQ side by side, then the schema, then everything else. Stopped: the app first (no new
work), then bot and workers (they drain), then the queue and the database. A node that crashes is started again at
once, and the services find it again by themselves. Why this is ours: docs/decisions/0003-supervision.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import psutil

from engine.common import ports
from engine.common.errors import EngineError
from engine.common.state import Places, read_engine, supervisor_lock, write_json
from engine.common.version import fingerprint
from engine.native import control, logs
from engine.native.adopted import adopt, end_adopted, end_marked
from engine.native.fleet import Fleet
from engine.native.nodes import Nodes
from engine.native.plan import Plan
from engine.native.service import Patience, SupervisedService
from ml_service.platform import metrics_files
from ml_service.platform.sd_notify import ask_for_patience, notify

EngineState = Literal["starting", "healthy", "degraded", "stopping", "stopped", "failed"]

START_FAILURES_MAX = 3
"""A program that never was ready and has ended so often will not come up by trying again."""

_HOUSEKEEPING_S = 2.0
_PATIENCE_S = 60.0


def recover(places: Places) -> list[str]:
    """After a run that ended without a stop: end what it left running, and say so."""
    last = read_engine(places)
    if not last or last.get("state") in ("stopped", "failed"):
        return []
    notes = [f"The last run (process {last.get('pid')}) ended without --stop (a crash or a reboot); recovering."]
    for pid, created in last.get("children", []):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                # PostgreSQL and RabbitMQ end their own leftovers (see their prepare()), without kill -9.
                if process.name().startswith(("postgres", "beam", "erl")):
                    continue
                process.kill()
                notes.append(f"A process of it still ran and was ended: {process.name()} ({pid}).")
    return notes + end_marked(places.var)


class Supervisor:
    """Runs one Plan until it is told to stop. Make it in the thread that runs the event loop."""

    def __init__(self, plan: Plan, listener: socket.socket, notes: Sequence[str], patience: Patience) -> None:
        self.plan = plan
        self.state: EngineState = "starting"
        self.step = "starting"
        self.error = ""
        self.notes = [*notes, *plan.notes]
        self.port: int = listener.getsockname()[1]
        self._began = time.monotonic()
        self._code = fingerprint()
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._workers = plan.workers
        self._nodes = Nodes(plan)
        self._fleet = Fleet(
            plan,
            self._nodes,
            listen_fd=listener.fileno(),
            port=self.port,
            patience=patience,
            on_event=self._event,
        )
        self._paused = False
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Start all, serve control requests, stop all.

        Raises:
            EngineError: the start failed; everything is stopped again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        async with control.serve(self.plan.places, self._answer):
            keeping = asyncio.create_task(self._keep_house())
            try:
                await self._start_or_stop()
                await self._stopping.wait()
            except EngineError as error:
                self.error = str(error)
                raise
            finally:
                await self._stop_all()
                keeping.cancel()

    async def _start_or_stop(self) -> None:
        starting = asyncio.create_task(self._start_all())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        starting.result()

    async def _start_all(self) -> None:
        self._save()
        metrics_files.begin(self.plan.places.metrics)
        self._say(f"starting {self._nodes.shown}")
        for part in self._nodes.parts:
            node = self._fleet.add_node(part)
            node.on_wait = self._say
            node.start()
        if self._nodes.postgres is not None:
            await self._until_ready("postgres", failures_max=1)
        await asyncio.to_thread(self._nodes.create_database)
        self._say("bringing the database to the newest schema")
        await self._fleet.run_once("migrate", self.plan.commands.migrate)
        if self._nodes.rabbitmq is not None:  # it takes seconds; the schema has come meanwhile
            self._say("waiting for RabbitMQ")
            await self._until_ready("rabbitmq", failures_max=1)
        self._say("starting the API and loading the models")
        self._fleet.add_app(1).start()
        self._fleet.add_worker(1).start()
        await self._until_ready("app", failures_max=START_FAILURES_MAX)
        await self._until_ready("worker", failures_max=START_FAILURES_MAX)
        self._say(f"healthy after {time.monotonic() - self._began:.1f} s")
        if self.plan.has_bot:
            self._fleet.add_bot().start()
        self._fleet.fill_up(self.plan.workers)
        self._assess()
        notify(f"READY=1\nSTATUS=port {self.port}, queue {self.plan.queue}")

    async def _until_ready(self, kind: str, failures_max: int) -> None:
        """Wait until one of a kind is ready; raises EngineError when all of them keep failing."""
        while not any(service.became_ready.is_set() for service in self._fleet.of(kind)):
            failed = [service for service in self._fleet.of(kind) if service.restarts >= failures_max]
            if len(failed) == len(self._fleet.of(kind)):
                raise EngineError(failed[0].error or f"{failed[0].name} {failed[0].last_exit}")
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._changed.wait()

    def _event(self, text: str) -> None:
        self._say(text, is_step=False)
        self._changed.set()
        self._assess()

    def _assess(self) -> None:
        if self.state in ("starting", "healthy", "degraded"):
            kinds = ["app", "worker", *(part.name for part in self._nodes.parts)]
            healthy = all(self._fleet.ready(kind) for kind in kinds) and all(
                any(one.state == "ready" for one in self._fleet.workers_of(pool)) for pool in self._fleet.pools
            )
            if healthy or self.state != "starting":
                self.state = "healthy" if healthy else "degraded"
            self._save()

    async def _keep_house(self) -> None:
        while True:
            end_adopted()
            if self.state in ("starting", "stopping"):
                ask_for_patience(_PATIENCE_S)  # of systemd: ours with each process has an end
            await asyncio.sleep(_HOUSEKEEPING_S)
            for log in self.plan.places.logs.glob("*.log"):
                with contextlib.suppress(OSError):  # a full disk must not end the supervisor
                    logs.rotate(log)

    async def _answer(self, request: dict[str, Any], at_end: contextlib.AsyncExitStack) -> dict[str, Any]:
        operation = request["op"]
        if operation == "status":
            return self._describe()
        if operation == "environment":
            return {"environment": self._nodes.environment()}
        if operation == "scale":
            return await self._scale(int(request["workers"]), request.get("pools") or {})
        if operation == "pause":
            return await self._pause(at_end)
        if operation == "resume":
            await at_end.aclose()
            return {"state": "resumed"}
        if operation == "stop":
            self._stopping.set()
            return {"state": "stopping"}
        raise EngineError(f"unknown request: {operation!r}")

    def _describe(self) -> dict[str, Any]:
        for part in self._nodes.parts:
            heard = part.hear()
            self.notes += [heard] if heard else []
        return {
            "state": self.state,
            "step": self.step,
            "error": self.error,
            "notes": self.notes,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._began, 1),
            "host": self.plan.host,
            "port": self.port,
            "queue": self.plan.queue,
            "mode": self.plan.mode,
            "bot": self.plan.bot_problem,
            "queue_note": self.plan.queue_note,
            "workers_wanted": max(self._workers, len(self._fleet.workers_of())),
            "workers_ready": _ready(self._fleet.workers_of()),
            "pools": [
                {"pool": pool.text, "workers_ready": _ready(self._fleet.workers_of(pool.name))}
                for pool in self._fleet.pools.values()
            ],
            "processes": [service.describe() for service in self._fleet.services.values()],
        }

    async def _scale(self, workers: int, pools: dict[str, int]) -> dict[str, Any]:
        if self.state not in ("healthy", "degraded") or self._paused:
            raise EngineError("It is starting, stopping or restoring a backup: ask again in a moment.")
        before = await self._fleet.scale(workers, pools)
        self._workers = workers
        for pool, number in pools.items():
            self._say(f"scaled the pool {pool} to {number} workers", is_step=False)
        if workers != before:
            self._say(f"scaled from {before} to {workers} workers", is_step=False)
        self._assess()
        return {"before": before, "workers": workers}

    async def _pause(self, at_end: contextlib.AsyncExitStack) -> dict[str, Any]:
        """Stop all that works on the database, which stays up, until the connection that asks for it ends."""
        if self.state not in ("healthy", "degraded") or self._paused:
            raise EngineError("It is starting, stopping or restoring a backup: ask again in a moment.")
        self._paused = True
        at_end.push_async_callback(self._resume)
        await self._stop_services()
        return {"state": "paused"}

    async def _resume(self) -> None:
        if self._stopping.is_set():
            return
        try:
            self._fleet.forget("app", "bot", "worker")
            if self.plan.has_bot:
                self._fleet.settle([self._fleet.add_bot()])
            self._fleet.fill_up(self._workers)
            await self._until_ready("app", failures_max=START_FAILURES_MAX)
        finally:
            self._paused = False
            self._assess()

    async def _stop_services(self) -> None:
        for kind, what in (("app", "the API"), ("bot", "the bot"), ("worker", "the workers")):
            if self._fleet.of(kind):
                self._say(f"stopping {what}")
                await self._fleet.stop(kind)

    async def _stop_all(self) -> None:
        self.state = "stopping"
        notify("STOPPING=1")
        self._save()
        await self._stop_services()
        if self._nodes.parts:
            self._say("stopping " + " and ".join(part.name for part in self._nodes.parts))
            await asyncio.gather(*(self._fleet.stop(part.name) for part in self._nodes.parts))
        end_adopted()
        self.state = "failed" if self.error else "stopped"
        self._say(self.state)
        self._fleet.services.clear()
        self._save()

    def _say(self, text: str, *, is_step: bool = True) -> None:
        if is_step:
            self.step = text
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)  # noqa: T201 - var/logs/supervisor.log

    def _save(self) -> None:
        children = []
        for service in self._fleet.services.values():
            if service.process is not None and service.process.poll() is None:
                with contextlib.suppress(psutil.Error):
                    children.append([service.process.pid, psutil.Process(service.process.pid).create_time()])
        value = {
            "engine": "native",
            "queue": self.plan.queue,
            "host": self.plan.host,
            "port": self.port,
            "mode": self.plan.mode,
            "workers": self._workers,
            "pools": [pool.text for pool in self._fleet.pools.values()],
            "state": self.state,
            "error": self.error,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "code": self._code,
            "children": children,
        }
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            write_json(self.plan.places.engine_file, value)


def _ready(services: Sequence[SupervisedService]) -> int:
    return sum(service.state == "ready" for service in services)


def supervise(make_plan: Callable[[], Plan], places: Places, patience: Patience | None = None) -> None:
    """Run in the foreground until SIGTERM, SIGINT or a stop request.

    Raises:
        EngineError: it already runs, or could not start (everything is stopped again).
    """
    os.umask(0o077)
    adopt()
    with supervisor_lock(places):
        notes = recover(places)
        try:
            plan = make_plan()
            with ports.listen(plan.host, plan.port) as listener:
                asyncio.run(_run(plan, listener, notes, patience or Patience()))
        except EngineError as error:
            with contextlib.suppress(OSError):
                write_json(places.engine_file, {**read_engine(places), "state": "failed", "error": str(error)})
            raise


async def _run(plan: Plan, listener: socket.socket, notes: Sequence[str], patience: Patience) -> None:
    await Supervisor(plan, listener, notes, patience).run()
