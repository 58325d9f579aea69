"""No container may do more than its work needs, and only two ports are open."""

from __future__ import annotations

import json
import re

import pytest

from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import names_of
from tests.support.compose_stack import Stack

pytestmark = pytest.mark.timeout(900)

SIZES_MAX = {"app": 275, "bot": 250, "ml-worker": 600}
"""Megabytes; the official base image of Python has some 125 of them, the HTTP client of the app's webhooks 15."""
BASE_MB = 125


def test_each_container_is_bounded(stack: Stack) -> None:
    for one in stack.containers():
        value = stack.inspect(one)
        host = value["HostConfig"]
        assert host["CapDrop"] == ["ALL"], one.name
        assert not host["CapAdd"], one.name
        assert host["ReadonlyRootfs"], one.name
        assert "no-new-privileges:true" in host["SecurityOpt"], one.name
        assert not host["Privileged"]
        assert host["Memory"] > 0, one.name
        assert host["PidsLimit"] > 0, one.name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, one.name
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert value["Config"].get("Healthcheck"), one.name


def test_no_process_has_root_or_a_capability_or_a_way_to_write(stack: Stack) -> None:
    for one in stack.containers():
        status = stack.inside(one, "cat", "/proc/1/status")
        (uids,) = re.findall(r"^Uid:\s+(.*)$", status, re.MULTILINE)
        assert "0" not in uids.split(), one.name
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            (capabilities,) = re.findall(rf"^{kind}:\s+(\w+)$", status, re.MULTILINE)
            assert int(capabilities, 16) == 0, (one.name, kind)
        assert "Read-only file system" in stack.inside(one, "touch", "/srv-or-not", expected=1)


def test_two_ports_are_open_one_of_them_on_this_machine_only(stack: Stack) -> None:
    opened = {}
    for one in stack.containers():
        for port, bindings in (stack.inspect(one)["NetworkSettings"]["Ports"] or {}).items():
            for binding in bindings or []:
                opened[one.service, port] = binding["HostIp"]
    assert opened.keys() == {("nginx", "8080/tcp"), ("rabbitmq", "15672/tcp")}
    assert opened["rabbitmq", "15672/tcp"] == "127.0.0.1"


def test_the_door_stands_in_another_network_than_the_data(stack: Stack) -> None:
    networks = {one.service: set(stack.inspect(one)["NetworkSettings"]["Networks"]) for one in stack.containers()}
    assert not networks["nginx"] & networks["postgres"]
    assert not networks["nginx"] & networks["rabbitmq"]


def test_secrets_are_in_no_image_no_environment_and_only_where_they_are_needed(stack: Stack) -> None:
    (worker, *_), (app, *_) = stack.containers("ml-worker"), stack.containers("app")
    secret = stack.inside(app, "cat", "/secrets/jwt_secret").strip()
    assert len(secret) >= 32
    given = set(stack.inside(worker, "ls", "/secrets").split())
    assert {"amqp_url", "database_url"} <= given <= {name.lower() for name in names_of(WorkerSettings)}
    assert not given & {"jwt_secret", "telegram_token", "telegram_webhook_secret"}
    for one in stack.containers():
        value = stack.inspect(one)
        assert secret not in json.dumps(value)
        said = stack.command("docker", "history", "--no-trunc", value["Config"]["Image"])
        assert "jwt_secret" not in said
    assert stack.inside(app, "find", "/srv", "-name", ".env*", "!", "-name", "*.example").strip() == ""


@pytest.mark.parametrize("service", ["app", "bot", "ml-worker"])
def test_images_are_small_and_hold_what_they_need_only(stack: Stack, service: str) -> None:
    one = stack.containers(service)[0]
    image = stack.inspect(one)["Config"]["Image"]
    size = json.loads(stack.command("docker", "image", "inspect", image))[0]
    base = json.loads(stack.command("docker", "image", "inspect", "python:3.12-slim"))[0]
    megabytes = (size["Size"] - base["Size"]) / 1e6 + BASE_MB
    assert megabytes < SIZES_MAX[service], megabytes
    assert size["Config"]["Labels"]["org.opencontainers.image.title"]
    for program in ("gcc", "cc", "make", "git"):
        stack.inside(one, "sh", "-c", f"! command -v {program}")
    if service != "ml-worker":
        stack.inside(one, "python", "-c", "import numpy", expected=1)
        stack.inside(one, "sh", "-c", "test ! -e /srv/ml_service/runtime/bundled")


def test_metrics_are_for_the_inside(stack: Stack) -> None:
    assert stack.get("/metrics").status_code == 404
    app = stack.containers("app")[0]
    read = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/metrics').read().decode())"
    assert "ml_service_requests_total" in stack.inside(app, "python", "-c", read)


def test_a_forged_address_dodges_no_limit(stack: Stack) -> None:
    import httpx2

    codes = []
    for number in range(8):
        form = {"username": "nobody-here", "password": "wrong wrong"}
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        codes.append(httpx2.post(f"{stack.url}/token", data=form, headers=headers, timeout=30).status_code)
    assert codes[:5] == [401] * 5
    assert codes[5:] == [429] * 3
