"""All supervised processes by name, and how many of them there should be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from engine.common.errors import EngineError
from engine.common.limits import WORKERS_MAX
from engine.common.pools import Pool
from engine.native.nodes import NodePart, Nodes
from engine.native.plan import Plan, cores
from engine.native.processes import log_tail
from engine.native.service import Part, Patience, Program, SupervisedService, exited
from ml_service.platform import metrics_files

DEFAULT_POOL = "default"
_SETTLE_S = 30
"""A program that is not ready after so long does not keep the next one from starting."""


class Fleet:
    """Makes, counts, scales and stops services. Use from one event loop only."""

    def __init__(
        self,
        plan: Plan,
        nodes: Nodes,
        *,
        listen_fd: int,
        port: int,
        patience: Patience,
        on_event: Callable[[str], None],
    ) -> None:
        """``listen_fd``: the bound socket that all app processes share."""
        self.services: dict[str, SupervisedService] = {}
        self.pools: dict[str, Pool] = {pool.name: pool for pool in plan.pools}
        self._pool_of: dict[str, str] = {}  # by the worker's name
        self._plan = plan
        self._nodes = nodes
        self._listen_fd = listen_fd
        self._port = port
        self._patience = patience
        self._on_event = on_event
        self._scaling = asyncio.Lock()
        self._settling: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(max(1, cores() // 2))

    def of(self, kind: str) -> list[SupervisedService]:
        """The services of a kind: "worker" means worker-1, worker-2 …"""
        return [service for name, service in self.services.items() if name == kind or name.startswith(kind + "-")]

    def workers_of(self, pool: str = DEFAULT_POOL) -> list[SupervisedService]:
        """The workers of a pool, or the usual ones."""
        return [service for name, service in self.services.items() if self._pool_of.get(name) == pool]

    def ready(self, kind: str) -> int:
        """How many of a kind are ready."""
        return sum(service.state == "ready" for service in self.of(kind))

    def _register(self, part: Part) -> SupervisedService:
        service = self.services[part.name] = SupervisedService(part, self._patience, self._on_event)
        return service

    def _program(
        self,
        name: str,
        command: Sequence[str],
        role: str | None,
        *,
        listen_fd: int | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Program:
        places = self._plan.places
        return Program(
            name,
            command,
            cwd=self._plan.cwd,
            env={**self._nodes.environment(role), **metrics_files.environment(places.metrics, name), **(more or {})},
            log=places.logs / f"{name}.log",
            run=places.run,
            listen_fd=listen_fd,
            on_end=lambda: metrics_files.end(places.metrics, name),
        )

    def add_node(self, part: NodePart) -> SupervisedService:
        """A node, not started yet."""
        return self._register(part)

    def add_app(self, number: int) -> SupervisedService:
        """An app process, not started yet."""
        address = {"HOST": self._plan.host, "PORT": str(self._port)}
        command = self._plan.commands.app
        return self._register(self._program(f"app-{number}", command, "app", listen_fd=self._listen_fd, more=address))

    def add_worker(self, number: int, pool: str = DEFAULT_POOL) -> SupervisedService:
        """A worker, one of the usual ones or of a pool; not started yet."""
        name = _worker_name(number, pool)
        places = self._plan.places
        mark = {"ML_SERVICE_FOLDER": str(places.var)}  # adopted.py looks for it
        weights = {"ML_SERVICE_WEIGHTS_FOLDER": str(places.weights)}
        command = self._plan.commands.worker
        more = {"WORKER_NAME": name, **mark, **weights, **self._models_of(pool)}
        self._pool_of[name] = pool
        return self._register(self._program(name, command, "worker", more=more))

    def _models_of(self, pool: str) -> dict[str, str]:
        """The settings that say which models a worker serves."""
        if pool != DEFAULT_POOL:
            return {"WORKER_POOL": pool, "MODELS": ",".join(self.pools[pool].models)}
        elsewhere = [model for one in self.pools.values() for model in one.models]
        own = self._plan.own_settings("worker").get("MODELS_LEFT_OUT")
        return {"MODELS_LEFT_OUT": ",".join([*([own] if own else []), *elsewhere])} if elsewhere else {}

    def add_bot(self) -> SupervisedService:
        """The bot, not started yet."""
        return self._register(self._program("bot", self._plan.commands.bot, "bot"))

    async def run_once(self, name: str, command: Sequence[str]) -> None:
        """Run a program to its end, as the database's owner; raises EngineError when it fails."""
        program = self._program(name, command, None)
        process = program.spawn()
        try:
            await exited(process)
        finally:
            if process.poll() is None:
                process.kill()
            code = process.wait()
            program.close()
        if code != 0:
            raise EngineError(f"{name} ended with exit code {code}. The end of {program.log}:\n{log_tail(program.log)}")

    def settle(self, services: Sequence[SupervisedService]) -> None:
        """Start ``services`` in the background, a few at a time: all at once, each of them would be ready later."""
        for service in services:
            service.state = "waiting"
            task = asyncio.create_task(self._settle(service))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _settle(self, service: SupervisedService) -> None:
        async with self._at_once:
            if self.services.get(service.name) is service:
                service.start()  # does nothing where it was stopped while it waited here
                await service.settled(_SETTLE_S)

    def fill_up(self, workers: int) -> None:
        """Start what is missing of the app's processes and of ``workers`` workers."""
        apps = range(1, self._plan.app_processes + 1)
        missing = [self.add_app(number) for number in apps if f"app-{number}" not in self.services]
        wanted = {DEFAULT_POOL: workers, **{pool.name: pool.workers for pool in self.pools.values()}}
        for pool, number in wanted.items():
            names = [(free, _worker_name(free, pool)) for free in range(1, WORKERS_MAX + 1)]
            free_numbers = [free for free, name in names if name not in self.services]
            short = max(0, number - len(self.workers_of(pool)))
            missing += [self.add_worker(free, pool) for free in free_numbers[:short]]
        self.settle(missing)

    async def scale(self, workers: int, pools: Mapping[str, int] | None = None) -> int:
        """Have ``workers`` usual workers, and so many in these pools; starts in the background, or drains the youngest.

        Returns:
            How many usual workers there were.

        Raises:
            EngineError: a number that is not allowed, or a pool that is not there.
        """
        if not all(1 <= number <= WORKERS_MAX for number in [workers, *(pools or {}).values()]):
            raise EngineError(f"The number of workers must be from 1 to {WORKERS_MAX}.")
        if unknown := set(pools or {}) - self.pools.keys():
            raise EngineError(f"There is no pool {', '.join(sorted(unknown))}.")
        async with self._scaling:
            before = len(self.workers_of())
            for pool, number in (pools or {}).items():
                self.pools[pool] = replace(self.pools[pool], workers=number)
            surplus: list[SupervisedService] = []
            for pool, number in {DEFAULT_POOL: workers, **(pools or {})}.items():
                by_number = sorted(self.workers_of(pool), key=lambda service: int(service.name.rsplit("-", 1)[1]))
                surplus += by_number[number:]
            await asyncio.gather(*(service.stop() for service in surplus))
            for service in surplus:
                self.services.pop(service.name, None)
            self.fill_up(workers)
            return before

    def forget(self, *kinds: str) -> None:
        """Drop the stopped services of these kinds; new ones may take their names."""
        for service in [service for kind in kinds for service in self.of(kind)]:
            self.services.pop(service.name, None)

    async def stop(self, kind: str) -> None:
        """Stop all of a kind, side by side; none of them starts again."""
        for task in self._settling:
            task.cancel()
        async with self._scaling:
            await asyncio.gather(*(service.stop() for service in self.of(kind)))


def _worker_name(number: int, pool: str) -> str:
    return f"worker-{number}" if pool == DEFAULT_POOL else f"worker-{pool}-{number}"
