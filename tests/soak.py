"""Random faults under load: `python -m tests.soak --minutes 15 --seed 7`. The seed is logged, and repeats the order.

Two apps, two workers, PostgreSQL and RabbitMQ of its own. Every few seconds something is killed, frozen, cut off,
emptied or restarted; the books are looked at ten times a second, and all invariants after the last fault has healed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from engine.native.postgres import PostgresNode
from engine.native.processes import is_running, tree
from engine.native.rabbitmq import RabbitNode
from ml_service.storage.schema import migrate
from tests.support.broker import Broker
from tests.support.checker import banking, connected, note_ends, violations
from tests.support.http_clients import unread
from tests.support.load import Load, loading
from tests.support.nodes import execute
from tests.support.rig import WORKER, Rig, RigProcess, Setup, running_rig, started
from tests.support.rolling_model import RollingLoad, write_model
from tests.support.waiting import until

log = structlog.get_logger()


@dataclass
class Soak:
    """What can be broken, and how."""

    rig: Rig
    postgres: PostgresNode
    rabbit: RabbitNode
    dice: random.Random
    folders: dict[int, str]
    """Of models, by the version of the one that has two."""
    load: Load | None = None
    found: list[str] = field(default_factory=list)
    """What a fault itself has seen that must not be."""
    done: Counter[str] = field(default_factory=Counter)

    def faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Each heals by itself, or in the end of the function."""
        return {
            "kill an app": lambda: self.kill(self.dice.choice(self.rig.apps)),
            "kill a worker": lambda: self.kill(self.dice.choice(self.rig.workers)),
            "freeze an app": lambda: self.freeze(self.dice.choice(self.rig.apps)),
            "freeze a worker": lambda: self.freeze(self.dice.choice(self.rig.workers)),
            "roll a worker to the other version": lambda: self.roll(self.dice.choice(self.rig.workers)),
            "stop a worker": lambda: self.stop(self.dice.choice(self.rig.workers)),
            "stop an app": lambda: self.stop(self.dice.choice(self.rig.apps)),
            "kill the broker": self.kill_the_broker,
            "freeze the broker": self.freeze_the_broker,
            "lose the queue": self.lose_the_queue,
            "lose the broker's volume": self.lose_the_volume,
            "kill the database": self.kill_the_database,
            "freeze the database": self.freeze_the_database,
            "kill all sessions": self.kill_all_sessions,
            "send bodies that are too large": self.send_too_much,
            "scale workers while they start": self.scale,
            "kill a model that computes": self.kill_a_model,
        }

    async def kill(self, process: RigProcess) -> None:
        process.kill()
        await asyncio.sleep(self.dice.random())
        await process.restart()

    async def freeze(self, process: RigProcess) -> None:
        process.freeze()
        await asyncio.sleep(self.dice.uniform(1, 12))
        process.thaw()

    async def stop(self, process: RigProcess) -> None:
        assert process.popen is not None
        process.popen.terminate()
        assert await process.until_ended(60) == 0
        await process.restart()

    async def roll(self, worker: RigProcess) -> None:
        """If both workers then serve one version, the other one is gone after a while."""
        here = worker.env["MODELS_FOLDER"]
        worker.env["MODELS_FOLDER"] = next(folder for folder in self.folders.values() if folder != here)
        await self.stop(worker)

    async def kill_the_broker(self) -> None:
        self.rabbit.kill()
        await started(self.rabbit)
        await asyncio.sleep(2)

    async def freeze_the_broker(self) -> None:
        self.rabbit.freeze()
        await asyncio.sleep(self.dice.uniform(1, 25))
        self.rabbit.resume()

    async def lose_the_queue(self) -> None:
        await Broker("rabbitmq", self.rabbit.amqp_url, self.rabbit).lose_queue()

    async def lose_the_volume(self) -> None:
        self.rabbit.kill()
        shutil.rmtree(self.rabbit.folder / "mnesia")
        await started(self.rabbit)
        await asyncio.sleep(2)

    async def kill_the_database(self) -> None:
        self.postgres.kill()
        await asyncio.sleep(self.dice.random())
        await started(self.postgres)

    async def freeze_the_database(self) -> None:
        self.postgres.freeze()
        await asyncio.sleep(self.dice.uniform(1, 12))
        self.postgres.resume()

    async def kill_all_sessions(self) -> None:
        async with connected(self.rig.owner_url) as killer:
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ml-service%'"
            )

    async def send_too_much(self) -> None:
        url = self.dice.choice(self.rig.urls) + "/predictions/predict"
        self.found += [f"413 unread by {one}" for one in await asyncio.to_thread(unread, url, self.rig.folder, tries=1)]

    async def scale(self) -> None:
        """Up and down again, before the new ones are ready or just after."""
        env = self.rig.workers[0].env
        for _ in range(4):
            more = [
                RigProcess(self.rig.folder, name, WORKER, {**env, "WORKER_NAME": name}) for name in ("more-1", "more-2")
            ]
            for one in more:
                one.start()
            await asyncio.sleep(self.dice.uniform(0, 4))
            left = {pid for one in more if one.popen is not None for pid in tree(one.popen.pid)}
            for one in more:
                if one.popen is not None:
                    one.popen.terminate()
            for one in more:
                if (code := await one.until_ended(60)) not in (0, -signal.SIGTERM):  # the latter before it has begun
                    self.found.append(f"{one.name} ended with {code} when it was stopped at its start")
                one.close()
            await until(lambda left=left: not any(map(is_running, left)), 10)  # type: ignore[misc]

    async def kill_a_model(self) -> None:
        """Once, from outside, while it computes a batch for a second."""
        assert self.load is not None
        request = Load.new_request(self.load, items=10, model="troublesome", text="!nap")
        asking = asyncio.create_task(self.load.ask(request))
        with suppress(TimeoutError):
            async with asyncio.timeout(20), connected(self.rig.owner_url) as looking:
                while True:
                    name = await looking.fetchval(
                        "SELECT worker_id FROM predictions"
                        " WHERE model = 'troublesome' AND status = 'processing' LIMIT 1"
                    )
                    worker = next((one for one in self.rig.workers if name and name.startswith(one.name)), None)
                    if worker is not None and self._kill_child(worker):
                        break
                    await asyncio.sleep(0.05)
        await asking

    def _kill_child(self, worker: RigProcess) -> bool:
        for pid in tree(worker.popen.pid)[1:] if worker.popen is not None else []:
            with suppress(psutil.Error):
                if '"name": "troublesome"' in " ".join(psutil.Process(pid).cmdline()):
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    async def convicted(self) -> list[str]:
        """Inputs that a model's death was laid to: none of what is asked here harms a model."""
        async with connected(self.rig.owner_url) as looking:
            rows = await looking.fetch(
                "SELECT id, model, error_code FROM predictions"
                " WHERE status = 'failed' AND error_code <> 'version_gone' LIMIT 5"
            )
        return [f"43 an innocent input failed: {row['id']} {row['model']} {row['error_code']}" for row in rows]

    async def go_on(self, end: float, only: Sequence[str]) -> None:
        """One fault after another."""
        while time.monotonic() < end:
            faults = {name: fault for name, fault in self.faults().items() if not only or any(w in name for w in only)}
            name, fault = self.dice.choice(list(faults.items()))
            log.info("fault", what=name)
            await fault()
            self.done[name] += 1
            await asyncio.sleep(self.dice.uniform(0.5, 4))


async def soak(minutes: float, seed: int, only: Sequence[str] = ()) -> list[str]:
    """Run it; returns what was violated. ``only``: faults with one of these words in their names."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    postgres = PostgresNode(folder / "postgres", durable=False)
    rabbit = RabbitNode(folder / "rabbitmq")
    try:
        postgres.start()
        rabbit.start(timeout_s=100)
        await execute(postgres.dsn(), "CREATE DATABASE soak")
        url = postgres.dsn("soak")
        await migrate(url)
        await note_ends(url)
        folders = {version: write_model(folder, version) for version in (1, 2)}
        for models in folders.values():
            shutil.copytree("tests/models/troublesome", Path(models) / "troublesome")
        env = {"MODELS_FOLDER": folders[1], "VERSION_GONE_S": "20"}
        async with running_rig(url, rabbit.amqp_url, Setup(models="echo,troublesome,rolling", env=env)) as rig:
            run = Soak(rig, postgres, rabbit, random.Random(seed), folders)
            await run.roll(rig.workers[1])
            asked = RollingLoad(rig.urls, seed=seed, pause_s=0.1, timeout_s=10, versions=[1, 2], other_share=0.7)
            async with loading(asked) as load, banking(url) as bank:
                run.load = load
                await run.go_on(time.monotonic() + minutes * 60, only)
            found = run.found + await violations(rig, load, drain_s=180) + await run.convicted()
            predictions = sum(len(request.ids) for request in load.requests)
            log.info("soaked", faults=dict(run.done), predictions=predictions, snapshots=bank.snapshots)
            log.info("refused", answers=dict(load.refusals))
            return found
    finally:
        for node in (rabbit, postgres):
            node.resume()
            node.kill()
            node.close()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Read the command line, run, say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Random faults under load.")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", default="", help="faults whose names have one of these words, comma-separated")
    given = parser.parse_args()
    log.info("soak", minutes=given.minutes, seed=given.seed)
    found = asyncio.run(soak(given.minutes, given.seed, [word for word in given.only.split(",") if word]))
    for one in found:
        log.error("violated", what=one)
    log.info("nothing was violated" if not found else "violations", count=len(found), seed=given.seed)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
