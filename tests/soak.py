"""Random faults under load: `python -m tests.soak --minutes 15 --seed 7`. The seed is logged, and repeats the order.

Two apps, two workers, PostgreSQL and RabbitMQ of its own. Every few seconds something is killed, frozen, cut off,
emptied or restarted; the books are looked at ten times a second, and all invariants after the last fault has healed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from engine.postgres import PostgresNode
from engine.rabbitmq import RabbitNode
from ml_service.storage.schema import migrate
from tests.contract.broker import Broker
from tests.faults.checker import banking, connected, note_ends, violations
from tests.faults.load import Load, loading
from tests.faults.rig import Process, Rig, Setup, running_rig, started
from tests.nodes.fixtures import execute

log = structlog.get_logger()


@dataclass
class Soak:
    """What can be broken, and how."""

    rig: Rig
    postgres: PostgresNode
    rabbit: RabbitNode
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Each heals by itself, or in the end of the function."""
        return {
            "kill an app": lambda: self.kill(self.dice.choice(self.rig.apps)),
            "kill a worker": lambda: self.kill(self.dice.choice(self.rig.workers)),
            "freeze an app": lambda: self.freeze(self.dice.choice(self.rig.apps)),
            "freeze a worker": lambda: self.freeze(self.dice.choice(self.rig.workers)),
            "stop a worker": lambda: self.stop(self.dice.choice(self.rig.workers)),
            "stop an app": lambda: self.stop(self.dice.choice(self.rig.apps)),
            "kill the broker": self.kill_the_broker,
            "freeze the broker": self.freeze_the_broker,
            "lose the queue": self.lose_the_queue,
            "lose the broker's volume": self.lose_the_volume,
            "kill the database": self.kill_the_database,
            "freeze the database": self.freeze_the_database,
            "kill all sessions": self.kill_all_sessions,
        }

    async def kill(self, process: Process) -> None:
        process.kill()
        await asyncio.sleep(self.dice.random())
        await process.restart()

    async def freeze(self, process: Process) -> None:
        process.freeze()
        await asyncio.sleep(self.dice.uniform(1, 12))
        process.thaw()

    async def stop(self, process: Process) -> None:
        assert process.popen is not None
        process.popen.terminate()
        assert await process.until_ended(60) == 0
        await process.restart()

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

    async def go_on(self, until: float) -> None:
        """One fault after another."""
        while time.monotonic() < until:
            name, fault = self.dice.choice(list(self.faults().items()))
            log.info("fault", what=name)
            await fault()
            self.done[name] += 1
            await asyncio.sleep(self.dice.uniform(0.5, 4))


async def soak(minutes: float, seed: int) -> list[str]:
    """Run it; returns what was violated."""
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
        async with running_rig(url, rabbit.amqp_url, Setup(models="echo,troublesome")) as rig:
            run = Soak(rig, postgres, rabbit, random.Random(seed))
            async with loading(Load(rig.urls, seed=seed, pause_s=0.1, timeout_s=10)) as load, banking(url) as bank:
                await run.go_on(time.monotonic() + minutes * 60)
            found = await violations(rig, load, drain_s=180)
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
    given = parser.parse_args()
    log.info("soak", minutes=given.minutes, seed=given.seed)
    found = asyncio.run(soak(given.minutes, given.seed))
    for one in found:
        log.error("violated", what=one)
    log.info("nothing was violated" if not found else "violations", count=len(found), seed=given.seed)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
