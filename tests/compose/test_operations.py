"""What docs/operations.md, scaling.md and production.md show, done to the running stack under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.compose.stack import Stack, stack_in
from tests.e2e.load import Load, steady

pytestmark = pytest.mark.timeout(900)


@contextlib.asynccontextmanager
async def under_load(stack: Stack, username: str) -> AsyncIterator[Load]:
    """A steady load while the block runs; afterwards nothing is lost, nobody charged twice, and no letter is dead."""
    async with steady(stack, username) as load:
        yield load
    dead = await asyncio.to_thread(stack.run, "--cli", "dead", "list")
    assert "no dead letters" in dead.lower(), dead


async def do(function: object, *arguments: object) -> None:
    await asyncio.to_thread(function, *arguments)  # type: ignore[arg-type]


def replace_app(stack: Stack) -> None:
    """A rolling update of the app, as docs/operations.md has it."""
    old = stack.containers("app")
    stack.compose("up", "-d", "--no-deps", "--no-recreate", "--scale", f"app={2 * len(old)}", "app")
    stack.until_healthy()
    for one in old:
        stack.command("docker", "stop", one.id)
        stack.command("docker", "rm", one.id)
    assert len(stack.containers("app")) == len(old)


async def test_the_app_is_replaced_under_load(stack: Stack) -> None:
    before = {one.id for one in stack.containers("app")}
    async with under_load(stack, "rolling") as load:
        await do(replace_app, stack)
        await load.progress()
    assert not before & {one.id for one in stack.containers("app")}
    assert load.retries == 0  # every request had its answer at the first time


async def test_workers_are_replaced_in_mid_batch(stack: Stack) -> None:
    before = {one.id for one in stack.containers("ml-worker")}
    async with under_load(stack, "workers") as load:
        await do(partial(stack.compose, "up", "-d", "--no-deps", "--force-recreate", "ml-worker"))
        await do(stack.until_healthy)
        await load.progress()
    assert not before & {one.id for one in stack.containers("ml-worker")}


@pytest.mark.parametrize("service", ["ml-worker", "app", "bot", "rabbitmq", "postgres", "nginx"])
async def test_a_main_process_is_killed_under_load_and_comes_back(stack: Stack, service: str) -> None:
    victim = stack.containers(service)[0]
    async with under_load(stack, f"killed-{service}") as load:
        await do(stack.kill_main_process, victim)
        await do(stack.until, lambda: stack.inspect(victim)["RestartCount"] > victim.restarts)
        await do(stack.until_healthy)
        await load.progress()


@pytest.mark.parametrize("service", ["ml-worker", "app", "rabbitmq", "postgres"])
async def test_a_container_is_frozen_under_load_and_goes_on(stack: Stack, service: str) -> None:
    victim = stack.containers(service)[0]
    async with under_load(stack, f"frozen-{service}") as load:
        await do(stack.command, "docker", "pause", victim.id)
        await asyncio.sleep(25 if service == "ml-worker" else 8)  # a worker's lease runs 20 s
        await do(stack.command, "docker", "unpause", victim.id)
        await do(stack.until_healthy)
        await load.progress()


@pytest.mark.parametrize("service", ["ml-worker", "rabbitmq", "postgres"])
async def test_a_container_is_cut_off_under_load_and_comes_back(stack: Stack, service: str) -> None:
    victim = stack.containers(service)[0]
    network = next(name for name in stack.inspect(victim)["NetworkSettings"]["Networks"] if name.endswith("inner"))
    async with under_load(stack, f"cut-{service}") as load:
        await do(stack.command, "docker", "network", "disconnect", network, victim.id)
        await asyncio.sleep(10)
        await do(stack.command, "docker", "network", "connect", "--alias", service, network, victim.id)
        await do(stack.until_healthy)
        await load.progress()


def test_a_backup_comes_back(stack: Stack) -> None:
    with stack.register("keeper") as client:
        kept = client.post("/predictions/predict", json={"text": "Kept."}, headers={"Prefer": "wait=50"}).json()
        stack.run("--cli", "backup", "kept.dump")
        later = client.post("/predictions/predict", json={"text": "Later."}, headers={"Prefer": "wait=50"}).json()
        assert "never overwrites" in stack.run("--cli", "backup", "kept.dump", expected=1)
        assert "say --replace" in stack.run("--cli", "restore", "kept.dump", expected=1)
        said = stack.run("--cli", "restore", "kept.dump", "--replace")
        assert "The books are right." in said
        stack.until_healthy()
        assert client.get(f"/predictions/{kept['id']}").json() == kept
        assert client.get(f"/predictions/{later['id']}").status_code == 404
        assert client.get("/balance").json() == {"balance": 99, "held": 0}


def test_all_secrets_are_changed(stack: Stack) -> None:
    before = stack.inside(stack.containers("app")[0], "cat", "/secrets/amqp_url")
    with stack.client() as client:
        command = ["python", "-m", "ml_service.cli", "secrets", "rotate", "/secrets"]
        stack.compose("run", "--rm", "secrets", *command)
        stack.compose("up", "-d", "--force-recreate")
        stack.until_healthy()
        assert stack.inside(stack.containers("app")[0], "cat", "/secrets/amqp_url") != before
        assert client.get("/balance").status_code == 401  # signed by the old key
    with stack.client() as client:
        answer = client.post("/predictions/predict", json={"text": "Good."}, headers={"Prefer": "wait=50"})
        assert answer.status_code == 200, answer.text


def test_the_engine_restarts_everything_after_a_crash_of_the_machine(stack: Stack) -> None:
    for one in stack.containers():
        stack.kill_main_process(one)
    stack.until(lambda: all(one.restarts > 0 for one in stack.containers()))
    stack.until_healthy()
    with stack.client() as client:
        answer = client.post("/predictions/predict", json={"text": "Again."}, headers={"Prefer": "wait=50"})
        assert answer.status_code == 200, answer.text


def test_workers_on_another_host_join_by_two_urls(stack: Stack, folder: Path) -> None:
    """Each host is a network namespace of its own: this machine's, and the one that the other project's network has."""
    (shown,) = stack.command("ip", "-4", "-oneline", "address", "show", "docker0").splitlines()
    gateway = shown.split()[3].split("/")[0]
    stack.more["PRIVATE_ADDRESS"] = gateway
    hosts = ["-f", "docker-compose.yaml", "-f", "docker-compose.hosts.yaml"]
    stack.compose(*hosts, "up", "-d", "--scale", "ml-worker=0")
    try:
        stack.until_healthy()
        command = ["python", "-m", "ml_service.cli", "secrets", "worker-urls", "/secrets", "--address", gateway]
        said = stack.compose("run", "--rm", "secrets", *command)
        urls = dict(line.split("=", 1) for line in said.splitlines() if line.startswith(("DATABASE_URL", "AMQP_URL")))
        with other_host(folder, urls) as other, stack.client() as client:
            asked = client.post("/predictions/predict", json={"text": "Far away."}, headers={"Prefer": "wait=50"})
            assert asked.status_code == 200, asked.text
            (worker,) = other.containers("ml-worker")
            assert asked.json()["worker_id"].startswith(worker.id[:12])
            (network,) = other.inspect(worker)["NetworkSettings"]["Networks"]
            other.command("docker", "network", "disconnect", network, worker.id)
            waiting = client.post("/predictions/predict", json={"text": "Cut off."}).json()
            time.sleep(5)
            assert client.get(f"/predictions/{waiting['id']}").json()["status"] in ("queued", "processing")
            other.command("docker", "network", "connect", network, worker.id)
            stack.until(
                lambda: client.get(f"/predictions/{waiting['id']}").json()["status"] == "succeeded", timeout_s=90
            )
    finally:
        stack.compose("up", "-d", "--scale", "ml-worker=3")
        stack.until_healthy()


@contextlib.contextmanager
def other_host(folder: Path, urls: dict[str, str]) -> Iterator[Stack]:
    """One worker in a project of its own, which knows the two URLs and nothing else."""
    with stack_in(folder, "other-host", **urls, ML_WORKERS="1", COMPOSE_FILE="docker-compose.workers.yaml") as other:
        other.compose("up", "-d")
        other.until_healthy()
        yield other


def test_production_has_no_demo_user_and_no_guest(stack: Stack) -> None:
    stack.more["MODE"] = "production"
    try:
        stack.compose("up", "-d")
        stack.until_healthy()
        form = {"username": "test", "password": "test"}
        assert httpx2.post(f"{stack.url}/token", data=form, timeout=60).status_code == 401
        queues = f"http://127.0.0.1:{stack.ui_port}/api/queues"
        assert httpx2.get(queues, auth=("guest", "guest"), timeout=30).status_code == 401
        with stack.register("somebody") as client:
            answer = client.post("/predictions/predict", json={"text": "Well."}, headers={"Prefer": "wait=50"})
            assert answer.status_code == 200, answer.text
        assert "mode production" in stack.run("--status")
    finally:
        del stack.more["MODE"]
        stack.compose("up", "-d")
        stack.until_healthy()
    with stack.client() as client:
        assert client.get("/balance").status_code == 200


def test_a_settings_file_that_the_container_may_not_read_is_one_sentence(stack: Stack) -> None:
    env = stack.root / "services/bot/.env"
    env.chmod(0o600)
    owner = env.stat()
    try:
        os.chown(env, 12345, 12345)
        said = stack.compose("run", "--rm", "--no-deps", "bot", expected=1)
        assert "chmod a+r" in said
        assert "Traceback" not in said
    finally:
        os.chown(env, owner.st_uid, owner.st_gid)
        env.chmod(0o644)
