"""Every setting reaches its service in containers, or the containers have something instead of it, named here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.common.state import ROOT
from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import SERVICES, load, names_of
from tests.support.setting_values import ALL, COMMON, OF_SERVICE, SECRET, WORKER

CONTAINERS_HAVE = {
    "DATABASE_URL": "the container postgres",
    "AMQP_URL": "the container rabbitmq",
    "QUEUE_BACKEND": "the container rabbitmq",
    "HOST": "all addresses; nginx is the door",
    "PORT": "8000",
    "BOT_HOST": "all addresses; nginx is the door",
    "BOT_PORT": "8081",
    "ALIVE_FILE": "what the health check looks at",
    "MODELS_FOLDER": "the folder models/ of the project, mounted",
    "METRICS_HOST": "all addresses; nginx does not lead there",
    "METRICS_PORT": "9100",
    "WORKER_NAME": "one for each replica",
    "MODEL_VARIABLES": "made by the reader, of services/ml_worker/.env",
}
"""Settings that do not come from the environment, and what counts instead."""
CONTAINERS = {"app": "app", "bot": "bot", "ml_worker": "ml-worker"}


def environment_of(service: str, file: str = "docker-compose.yaml") -> dict[str, Any]:
    text = (ROOT / file).read_text()
    found: dict[str, Any] = yaml.safe_load(text)["services"][service]["environment"]
    return found


def passed_on(environment: dict[str, Any]) -> set[str]:
    """The names without a value: Compose fills them in from the environment and `.env`."""
    return {name for name, value in environment.items() if value is None}


@pytest.mark.parametrize("settings", SERVICES, ids=lambda settings: settings.service)
def test_each_setting_of_a_service_is_passed_to_its_container(settings: type[CommonSettings]) -> None:
    environment = environment_of(CONTAINERS[settings.service])
    assert passed_on(environment) == names_of(settings) - CONTAINERS_HAVE.keys() - SECRET.keys()
    assert passed_on(environment) == OF_SERVICE[settings.service].keys()
    assert all(value for value in environment.values() if value is not None)


def test_the_container_secrets_sees_every_setting() -> None:
    assert passed_on(environment_of("secrets")) == ALL.keys() | SECRET.keys()
    assert CONTAINERS_HAVE.keys() | SECRET.keys() | ALL.keys() == set().union(*map(names_of, SERVICES))


def test_workers_on_another_machine_have_each_setting_of_a_worker() -> None:
    environment = environment_of("ml-worker", "docker-compose.workers.yaml")
    assert passed_on(environment) == (COMMON | WORKER).keys()
    assert environment.keys() - passed_on(environment) == {
        *("DATABASE_URL", "AMQP_URL", "QUEUE_BACKEND", "ALIVE_FILE", "METRICS_HOST", "METRICS_PORT")
    }


def test_the_workers_of_a_pool_have_each_setting_of_a_worker() -> None:
    environment = environment_of("ml-worker-pool", "docker-compose.pools.yaml")
    assert passed_on(environment) | {"MODELS", "WORKER_POOL", "MODELS_LEFT_OUT"} == (COMMON | WORKER).keys()
    usual = environment_of("ml-worker")
    given = {name: value for name, value in environment.items() if value is not None}
    assert {name: given[name] for name in usual.keys() & given.keys() - {"MODELS", "WORKER_POOL"}} == {
        name: value for name, value in usual.items() if value is not None
    }


@pytest.mark.parametrize("settings", [AppSettings, BotSettings, WorkerSettings], ids=lambda one: one.service)
def test_each_value_of_the_table_is_valid_and_another_than_the_default(settings: type[CommonSettings]) -> None:
    values = OF_SERVICE[settings.service]
    generated = {"AMQP_URL": "amqp://one:two@broker/"}
    usual = load(settings, folder=Path("/nowhere"), environment={}, generated=generated)
    changed = load(settings, folder=Path("/nowhere"), environment=values, generated=generated)
    assert {name for name in values if getattr(usual, name.lower()) == getattr(changed, name.lower())} == {
        "MODE"
    }  # production wants more than a name


@pytest.mark.parametrize("service", ["app", "bot", "ml_worker"])
def test_a_health_check_starts_no_python_and_bears_a_busy_machine(service: str) -> None:
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    (options, command) = re.findall(r"^HEALTHCHECK (.*) \\\n +CMD (.*)$", text, re.MULTILINE)[0]
    assert "python" not in command
    assert int(re.findall(r"--timeout=(\d+)s", options)[0]) >= 10
    assert int(re.findall(r"--retries=(\d+)", options)[0]) >= 5


def test_what_ends_by_itself_has_no_health_check() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    ending = {name for name, service in services.items() if service["restart"] == "no"}
    assert ending == {"secrets", "migrate", "worker-image"}
    assert all(services[name]["healthcheck"] == {"disable": True} for name in ending)


@pytest.mark.parametrize("file", sorted(path.name for path in ROOT.glob("docker-compose*.yaml")))
def test_each_image_is_built_on_the_base_that_is_asked_for(file: str) -> None:
    text = (ROOT / file).read_text()
    built = [one["build"] for one in yaml.safe_load(text)["services"].values() if "build" in one]
    assert all(one["args"] == {"PYTHON_IMAGE": "${PYTHON_IMAGE:-python:3.12-slim}"} for one in built)
    assert len(built) == {"docker-compose.yaml": 3, "docker-compose.workers.yaml": 1}.get(file, 0)


@pytest.mark.parametrize(
    ("file", "service"),
    [
        ("docker-compose.yaml", "ml-worker"),
        ("docker-compose.workers.yaml", "ml-worker"),
        ("docker-compose.pools.yaml", "ml-worker-pool"),
    ],
)
def test_a_stop_waits_for_a_workers_drain_however_long(file: str, service: str) -> None:
    """Compose fills in the drain's seconds behind a minute for what comes after it: `1m25s`."""
    given = yaml.safe_load((ROOT / file).read_text())["services"][service]["stop_grace_period"]
    usual = WorkerSettings.model_fields["drain_timeout_s"].default
    assert given == f"1m${{DRAIN_TIMEOUT_S:-{usual:g}}}s"
