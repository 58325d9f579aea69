"""What docs/operations.md, scaling.md and production.md show, done to the running stack under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.ml_worker import WorkerSettings
from tests.support.compose_stack import Stack, stack_in
from tests.support.setting_values import ALL, OF_SERVICE, SECRET
from tests.support.traffic import SteadyLoad, steady
from tests.support.wheels import write_wheel

pytestmark = pytest.mark.timeout(900)


@contextlib.asynccontextmanager
async def under_load(stack: Stack, username: str) -> AsyncIterator[SteadyLoad]:
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
    stack.compose("exec", "-T", "nginx", "sh", "-c", "/docker-entrypoint.d/35-page-files.sh && nginx -s reload")


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


def test_a_database_elsewhere_is_not_backed_up_as_if_it_were_here(stack: Stack) -> None:
    file = stack.root / "services/app/.env"
    before = file.read_text()
    elsewhere = stack.containers("postgres")[0].id[:12]  # Docker's other name for it
    url = stack.inside(stack.containers("app")[0], "cat", "/secrets/database_url").strip()

    def use(text: str) -> None:
        file.write_text(text)
        stack.compose("run", "--rm", "-T", "secrets")
        stack.compose("restart", "app")  # the others go on with what they have read
        stack.until_healthy()

    try:
        use(f"{before}\nDATABASE_URL={url.replace('@postgres', f'@{elsewhere}')}\n")
        for arguments in (["backup", "elsewhere.dump"], ["restore", "kept.dump", "--replace"]):
            assert f"names a database on {elsewhere}" in stack.run("--cli", *arguments, expected=1)
        assert not (stack.root / "elsewhere.dump").exists()
    finally:
        use(before)


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
            stack.run("--cli", "admin", "top-up", "somebody", "5", "--reason", "production gives no credits")
            answer = client.post("/predictions/predict", json={"text": "Well."}, headers={"Prefer": "wait=50"})
            assert answer.status_code == 200, answer.text
        assert "mode production" in stack.run("--status")
    finally:
        del stack.more["MODE"]
        stack.compose("up", "-d")
        stack.until_healthy()
    with stack.client() as client:
        assert client.get("/balance").status_code == 200


def test_settings_files_reach_each_service_though_only_their_owner_may_read_them(stack: Stack) -> None:
    file = stack.root / "services/app/.env"
    before = file.read_text()
    try:
        file.write_text(before + "\r\nexport STARTING_CREDITS='77' # for a start\r\nMODELS=echo\r\nSTARTNG=1\r\n")
        file.chmod(0o600)
        os.chown(file, 12345, 12345)
        assert "STARTNG is not a setting" in stack.compose("run", "--rm", "secrets")

        def seen(service: str) -> str:
            command = "find /secrets -type f -exec head {} +"
            return stack.compose("run", "--rm", "--no-deps", "-T", service, "sh", "-c", command)

        assert "77" in seen("app")
        assert "77" in seen("bot")
        worker = seen("ml-worker")
        assert "jwt_secret" not in worker
        assert "starting_credits" not in worker
        file.write_text("MODE: production\n")
        said = stack.compose("run", "--rm", "secrets", expected=1)
        assert "line 1 ('MODE' …) is not of the form NAME=value" in said
        assert "Traceback" not in said
    finally:
        os.chown(file, os.getuid(), os.getgid())
        file.write_text(before)
        stack.compose("run", "--rm", "secrets")


PLACES = {"the environment": None, "the project's file": ".env", "the app's file": "services/app/.env"}


@pytest.mark.parametrize("place", PLACES)
def test_each_setting_reaches_its_service_wherever_it_is_set(stack: Stack, place: str) -> None:
    asked = ALL | SECRET
    before = dict(stack.more)
    file = stack.root / (PLACES[place] or "none")
    kept = file.read_text() if file.exists() else None
    own = stack.root / "services/bot/.env"  # the bot's own file wins over the app's
    kept_own = own.read_text() if own.exists() else None
    own.unlink(missing_ok=True)
    stack.more = dict(asked) if PLACES[place] is None else {}
    if PLACES[place] is not None:
        file.write_text("".join(f"{name}={value}\n" for name, value in asked.items()))
    try:
        stack.compose("run", "--rm", "-T", "secrets")
        for service, settings in (("app", AppSettings), ("bot", BotSettings), ("ml-worker", WorkerSettings)):
            seen = settings_seen_by(stack, service, settings)
            wanted = {name.lower(): asked[name] for name in OF_SERVICE[settings.service].keys() | SECRET.keys()}
            expected = {name: value for name, value in wanted.items() if name in settings.model_fields}
            assert {name: seen[name] for name in expected} == read_as(settings, expected), (place, service)
        shown = stack.compose("run", "--rm", "-T", "--no-deps", "nginx", "nginx", "-T")
        assert f"client_max_body_size {asked['BODY_BYTES_MAX']};" in shown
    finally:
        stack.more = before
        if kept_own is not None:
            own.write_text(kept_own)
        if kept is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(kept)
        stack.compose("run", "--rm", "-T", "secrets")


def settings_seen_by(stack: Stack, service: str, settings: type[CommonSettings]) -> dict[str, object]:
    """What a new container of the service reads, secrets in the open."""
    module, name = settings.__module__, settings.__name__
    script = (
        "import json; from ml_service.platform.settings.reading import read_settings; "
        f"from {module} import {name}; "
        "open_ = lambda value: value.get_secret_value() if hasattr(value, 'get_secret_value') else value; "
        f"print('seen:' + json.dumps({{k: open_(v) for k, v in read_settings({name})}}, default=str))"
    )
    said = stack.compose("run", "--rm", "-T", "--no-deps", service, "python", "-c", script)
    seen: dict[str, object] = json.loads(said.split("seen:", 1)[1].splitlines()[0])
    return seen


def read_as(settings: type[CommonSettings], values: dict[str, str]) -> dict[str, object]:
    """The values in the settings' own types, as far as JSON has them."""
    made = settings.model_validate(values | {"amqp_url": "amqp://one:two@broker/"})
    opened = {name: getattr(made, name) for name in values}
    shown = {name: one.get_secret_value() if isinstance(one, SecretStr) else one for name, one in opened.items()}
    read: dict[str, object] = json.loads(json.dumps(shown, default=str))
    return read


def test_no_build_replaces_the_workers_image_that_the_user_names(stack: Stack) -> None:
    stack.more["WORKER_IMAGE"] = "mine"
    try:
        services = json.loads(stack.compose("config", "--format", "json"))["services"]
    finally:
        del stack.more["WORKER_IMAGE"]
    assert services["ml-worker"]["image"] == "mine"
    built = [service["image"] for service in services.values() if "build" in service]
    assert sorted(built) == ["ml-service-app", "ml-service-bot", "ml-service-worker"]


MODEL_WITH_A_PACKAGE = """
import tiny
from pydantic import BaseModel
from ml_service.runtime.author import Model

class Answer(BaseModel):
    said: str

class Mine(Model):
    name, version, description = "mine", "1", "A test."

    def predict(self, text: str) -> Answer:
        return Answer(said=f"{text} {tiny.WORD}")
"""


def test_a_pool_runs_an_image_with_what_its_models_require(stack: Stack) -> None:
    model, image = stack.root / "models" / "mine", "ml-service-test-pool"
    model.mkdir()
    (model / "model.py").write_text(MODEL_WITH_A_PACKAGE)
    write_wheel(model, "one")
    (model / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    stack.command("docker", "build", "-t", image, "--build-arg", "MODELS=+entities-ru", "models")
    settings = {"POOL_MODELS": "mine,entities-ru", "POOL_NAME": "words", "POOL_IMAGE": image}
    stack.more |= {"COMPOSE_FILE": "docker-compose.yaml:docker-compose.pools.yaml", **settings}
    try:
        stack.compose("up", "-d", "--no-deps", "ml-worker-pool")
        with stack.client() as client:

            def live() -> dict[str, str]:
                """The models' pools, once an app process knows of them; the other one knows a second later."""
                items = client.get("/models").json()["items"]
                return {one["name"]: one["pool"] for one in items if one["is_live"]}

            stack.until(lambda: {"mine": "words", "entities-ru": "words"}.items() <= live().items())
            asked = {"model": "mine", "input": {"text": "Word"}}
            answer = client.post("/predictions/predict", json=asked, headers={"Prefer": "wait=50"}).json()
            assert answer["output"] == {"said": "Word one"}, answer
            asked = {"model": "entities-ru", "input": {"text": "🙂 Анна живёт в Москве."}}
            answer = client.post("/predictions/predict", json=asked, headers={"Prefer": "wait=50"}).json()
            assert [one["text"] for one in answer["output"]["entities"]] == ["Анна", "Москве"], answer
    finally:
        stack.compose("rm", "--stop", "--force", "ml-worker-pool")
        stack.command("docker", "rmi", "--force", image)
        for name in ("COMPOSE_FILE", *settings):
            del stack.more[name]
