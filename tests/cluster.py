"""A broker of three: `python -m tests.cluster`. One node is killed under load, then the leader of the task queue.

RabbitMQ has many users with clusters, and a quorum queue is only as good as its quorum; this is too heavy for CI. The
clients reach the nodes through one address, as behind a load balancer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import structlog

from engine.native.postgres import PostgresNode
from engine.native.rabbitmq import LOOPBACK, RabbitNode
from ml_service.storage.schema import migrate
from tests.support.checker import banking, note_ends, violations
from tests.support.load import Load, loading
from tests.support.nodes import execute
from tests.support.ports import free_port
from tests.support.proxy import proxy_to
from tests.support.rig import Setup, running_rig, started

log = structlog.get_logger()

SIZE = 3
START_S = 180.0


class ClusterNode(RabbitNode):
    """One of several nodes that find each other: they share epmd, cookie and password."""

    def __init__(self, folder: Path, number: int, secret: str, first: ClusterNode | None) -> None:
        super().__init__(folder, password=secret)
        self.node_name = f"rabbit{number}@localhost"
        self._first = first
        if first is not None:
            self.epmd_port = first.epmd_port
        cookie = self.folder / ".erlang.cookie"
        cookie.touch(mode=0o600)
        cookie.chmod(0o600)
        cookie.write_text(secret)
        cookie.chmod(0o400)

    def prepare(self) -> None:
        """Write the node's files, and in them who belongs to the cluster."""
        super().prepare()
        with (self.folder / "rabbitmq.conf").open("a") as config:
            for number in range(1, SIZE + 1):
                config.write(f"cluster_formation.classic_config.nodes.{number} = rabbit{number}@localhost\n")
            config.write("cluster_formation.randomized_startup_delay_range.max = 3\n")
            config.write("cluster_partition_handling = pause_minority\n")
        if self._first is not None:
            self._epmd_process = self._first._epmd_process

    def leader(self, queue: str) -> str:
        """The name of the node that leads ``queue``."""
        found = json.loads(self.ctl("list_queues", "name", "leader", "--formatter", "json", "--quiet"))
        return next(str(one["leader"]) for one in found if one["name"] == queue)

    def members(self) -> list[str]:
        """The nodes that run."""
        return list(json.loads(self.ctl("cluster_status", "--formatter", "json", "--quiet"))["running_nodes"])

    def close(self) -> None:
        """Leave the epmd to the first."""
        if self._first is not None:
            self._epmd_process = None
        super().close()


def start_all(nodes: list[ClusterNode]) -> None:
    """Begin with the first, then the others, which find it."""
    for node in nodes:
        node.start(timeout_s=START_S)
    running = nodes[0].members()
    if len(running) != SIZE:
        raise RuntimeError(f"only {running} came together")


async def run(folder: Path, nodes: list[ClusterNode], postgres: PostgresNode) -> list[str]:
    """Load, kill, look."""
    postgres.start()
    await execute(postgres.dsn(), "CREATE DATABASE cluster")
    url = postgres.dsn("cluster")
    await migrate(url)
    await note_ends(url)
    log.info("starting", nodes=SIZE, folder=str(folder))
    start_all(nodes)
    port = free_port()
    amqp_url = nodes[0].amqp_url.replace(f":{nodes[0].port}/", f":{port}/")
    addresses = [(LOOPBACK, node.port) for node in nodes]
    async with (
        proxy_to(addresses[0], (LOOPBACK, port), *addresses[1:]),
        running_rig(url, amqp_url, Setup(models="echo,troublesome")) as rig,
    ):
        async with loading(Load(rig.urls, pause_s=0.1)) as load, banking(url):
            await asyncio.sleep(3)
            for what in ("one that follows", "the leader"):
                leader = await asyncio.to_thread(nodes[0].leader, "ml_tasks")
                victim = next(node for node in nodes if (node.node_name == leader) is (what == "the leader"))
                log.info("kill", node=victim.node_name, what=what, leader=leader)
                victim.kill()
                before = load.accepted
                await load.progress(60, timeout_s=120)
                await started(victim)
                log.info("back", node=victim.node_name, accepted=load.accepted - before)
                await load.progress(30, timeout_s=120)
        found = await violations(rig, load, drain_s=120)
        log.info("asked", requests=len(load.requests), refused=dict(load.refusals))
        return found


def main() -> int:
    """Make the nodes, run, say what was found."""
    argparse.ArgumentParser(prog="python -m tests.cluster", description=(__doc__ or "").partition("\n")[0]).parse_args()
    assert threading.current_thread() is threading.main_thread()  # the nodes end with the thread that starts them
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    secret = secrets.token_hex(16)
    nodes: list[ClusterNode] = []
    postgres = PostgresNode(folder / "postgres", durable=False)
    try:
        for number in range(1, SIZE + 1):
            nodes.append(ClusterNode(folder / f"r{number}", number, secret, nodes[0] if nodes else None))
        found = asyncio.run(run(folder, nodes, postgres))
    finally:
        for node in [*reversed(nodes)]:
            node.kill()
            node.close()
        postgres.kill()
        postgres.close()
        shutil.rmtree(folder, ignore_errors=True)
    for one in found:
        log.error("violated", what=one)
    log.info("nothing was violated" if not found else "violations", count=len(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
