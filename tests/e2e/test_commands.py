"""What start.py's commands promise, on the same started systems."""

from __future__ import annotations

import json
import os
import socket
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from engine.native.processes import is_running
from tests.support.system import System


def names(system: System) -> list[str]:
    nodes = ["postgres", "rabbitmq"] if system.queue == "rabbitmq" else ["postgres"]
    apps = [f"app-{number}" for number in range(1, min(2, len(os.sched_getaffinity(0))) + 1)]
    return sorted([*nodes, *apps, "worker-1", "worker-2"])


def test_status_lists_each_process_the_workers_and_the_queue(system: System) -> None:
    system.until_all_ready()
    status = json.loads(system.run("--status", "--json"))
    assert status["state"] == "healthy"
    assert names(system) == sorted(one["name"] for one in status["processes"])
    assert {"ready"} == {one["state"] for one in status["processes"]}
    assert all(is_running(one["pid"]) and one["uptime_s"] > 0 for one in status["processes"])
    workers = [one for one in status["processes"] if one["name"].startswith("worker")]
    assert all(one["worker_id"].startswith(f"{one['name']}-") for one in workers)
    assert status["inside"]["queue"]["ready"] == 0
    shown = system.run("--status")
    for word in (*names(system), f"localhost:{system.port}", "healthy", "waiting, 0 being worked on"):
        assert word in shown


def test_a_second_start_changes_nothing(system: System) -> None:
    before = system.pids()
    assert "It is already running and healthy." in system.start()
    assert before == system.pids()


def test_a_restart_that_could_not_start_stops_nothing(system: System) -> None:
    before = system.pids()
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104  where the service listens
        port = str(taken.getsockname()[1])
        assert f"Port {port} is taken" in system.run("--restart", "--port", port, expected=1)
    assert "BOT_PORT" in system.run("--restart", expected=1, more={"BOT_PORT": "99999"})
    assert "MODE" in system.run("--restart", expected=1, more={"MODE": "prod"})
    assert before == system.pids()
    assert not system.run("--start", "--quiet")


def test_the_page_comes_first_and_opens_only_where_that_is_asked_for(system: System, tmp_path: Path) -> None:
    browser, shown = tmp_path / "browser", tmp_path / "shown"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {shown}\n')
    browser.chmod(0o755)
    address = f"http://localhost:{system.port}"
    said = system.run("--start", more={"BROWSER": str(browser)})
    first = next(line for line in said.splitlines() if "http" in line)
    assert first.split() == ["Page", address]
    assert not shown.exists()
    assert "no browser" not in system.run("--start", "--open", more={"BROWSER": str(browser)})
    assert shown.read_text() == address
    said = system.run("--start", "--open", "--quiet")
    assert said.strip().endswith(f"There is no browser that could be opened here. The page is at {address}")


def test_a_start_with_another_number_of_workers_scales(system: System) -> None:
    before = system.pids()
    assert "going from 2 to 3 workers" in system.start("--workers", "3")
    assert system.until_all_ready()["workers_ready"] == 3
    assert before == {name: pid for name, pid in system.pids().items() if name != "worker-3"}
    assert "going from 3 to 2 workers" in system.start("--workers", "2")
    assert before == system.pids()


def test_logs_show_a_service_or_all(system: System) -> None:
    assert "worker-1 | " in system.run("--logs", "worker")
    assert "postgres" in system.run("--logs")
    assert "There are: " in system.run("--logs", "nobody", expected=1)


def test_only_the_printed_address_listens_beyond_loopback(system: System) -> None:
    open_ports = set()
    for pid in system.processes():
        for connection in psutil.Process(pid).net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN and not ip_address(connection.laddr.ip).is_loopback:
                open_ports.add(connection.laddr.port)
    assert open_ports == {system.port}


def test_a_stop_leaves_no_process_and_the_next_start_finds_the_data(system: System) -> None:
    with system.client() as client:
        asked = client.post("/predictions/predict", json={"text": "Stays."}, headers={"Prefer": "wait=50"}).json()
        balance = client.get("/balance").json()
    assert asked["status"] == "succeeded"
    before = system.processes()
    assert "The data stay" in system.run("--stop")
    assert system.left_of(before) == []
    assert "Nothing runs." in system.run("--stop")
    assert "Not running" in system.run("--status", expected=3)
    system.start()
    system.until_all_ready()
    with system.client() as client:
        assert client.get(f"/predictions/{asked['id']}").json() == asked
        assert client.get("/balance").json() == balance


def test_nothing_is_written_outside_the_tree(system: System) -> None:
    assert list(system.home.iterdir()) == []


def test_a_token_stays_valid_after_the_apps_were_killed(system: System) -> None:
    with system.client() as client:
        for name in [name for name in system.pids() if name.startswith("app")]:
            system.kill_and_see_it_back(name)
        assert client.get("/users/me").status_code == 200
    system.until_every_app(lambda client: client.get("/health").json()["status"] == "ok")


@pytest.mark.slow
def test_a_backup_comes_back_whole_or_not_at_all(system: System, tmp_path: Path) -> None:
    file, broken = tmp_path / "kept.dump", tmp_path / "broken.dump"
    with system.register("keeper", credits_=10) as client:
        kept = client.post("/predictions/predict", json={"text": "Kept."}, headers={"Prefer": "wait=50"}).json()
        system.run("--cli", "backup", str(file))
        later = client.post("/predictions/predict", json={"text": "Later."}, headers={"Prefer": "wait=50"}).json()
        broken.write_bytes(file.read_bytes()[:-2000])
        system.run("--cli", "restore", str(broken), "--replace", expected=1)
        system.until_all_ready()
        assert client.get(f"/predictions/{later['id']}").json() == later
        assert "The books are right." in system.run("--cli", "restore", str(file), "--replace")
        system.until_all_ready()
        assert client.get(f"/predictions/{kept['id']}").json() == kept
        assert client.get(f"/predictions/{later['id']}").status_code == 404
