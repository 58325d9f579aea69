"""More replicas of one service, workers of pools, and a leader that goes without a word."""

from __future__ import annotations

import time

import pytest

from engine.docker.containers import Container
from tests.support.compose_stack import Stack

pytestmark = pytest.mark.timeout(900)


def test_another_number_of_workers_leaves_the_replicas_of_the_app_as_they_are(stack: Stack) -> None:
    stack.compose("up", "-d", "--no-deps", "--no-recreate", "--scale", "app=3", "app")
    stack.until_healthy()
    try:
        before = {one.id for one in stack.containers()}
        stack.start("--workers", "4")
        assert before < {one.id for one in stack.containers()}
        assert (len(stack.containers("app")), len(stack.containers("ml-worker"))) == (3, 4)
    finally:
        stack.compose("up", "-d")
        stack.until_healthy()


def test_restore_stops_the_workers_of_pools_as_well(stack: Stack) -> None:
    settings = {
        "COMPOSE_FILE": "docker-compose.yaml:docker-compose.pools.yaml",
        "POOL_MODELS": "echo",
        "POOL_WORKERS": "2",
    }
    stack.more |= settings
    try:
        stack.compose("up", "-d", "--no-deps", "ml-worker-pool")
        stack.until_healthy()
        assert [one.name for one in stack.containers("ml-worker-pool")] == ["worker-pool-1", "worker-pool-2"]
        stack.run("--cli", "backup", "pools.dump")
        before = {one.id: one.started_at for one in stack.containers()}
        for name in settings:
            del stack.more[name]  # somebody who restores need not know how the pool was started
        assert "The books are right." in stack.run("--cli", "restore", "pools.dump", "--replace")
        stack.until_healthy()
        restarted = {one.service for one in stack.containers() if one.started_at != before[one.id]}
        assert restarted == {"app", "bot", "ml-worker", "ml-worker-pool"}
    finally:
        stack.more |= settings
        stack.compose("rm", "--stop", "--force", "ml-worker-pool")
        for name in settings:
            del stack.more[name]


def test_a_leader_that_is_cut_off_without_a_word_is_replaced_within_seconds(stack: Stack) -> None:
    def elected_at(one: Container) -> str:
        """When it was elected last, empty where it never was."""
        lines = stack.command("docker", "logs", "--timestamps", one.id).splitlines()
        return max((line.split()[0] for line in lines if "leader_elected" in line), default="")

    apps = stack.containers("app")
    assert len(apps) > 1
    leader = max(apps, key=elected_at)
    last = elected_at(leader)
    (network,) = [name for name in stack.inspect(leader)["NetworkSettings"]["Networks"] if name.endswith("inner")]
    stack.command("docker", "network", "disconnect", network, leader.id)
    try:
        began = time.monotonic()
        stack.until(lambda: any(elected_at(one) > last for one in apps if one.id != leader.id), timeout_s=60)
        assert time.monotonic() - began < 40
    finally:
        stack.command("docker", "network", "connect", "--alias", "app", network, leader.id)
        stack.until_healthy()
