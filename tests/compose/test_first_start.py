"""What a new user sees: one command, and everything is there, by a Python with nothing installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from engine.docker import compose
from tests.support.compose_stack import Stack

pytestmark = pytest.mark.timeout(900)


def answer_of(client: httpx2.Client, text: str) -> dict[str, object]:
    answer = client.post("/predictions/predict", json={"text": text}, headers={"Prefer": "wait=50"})
    assert answer.status_code == 200, answer.text
    made: dict[str, object] = answer.json()
    return made


def test_the_start_says_what_it_does_and_where_everything_is(stack: Stack) -> None:
    for words in (
        "made services/bot/.env from its example",
        "made services/ml_worker/.env from its example",
        "building the images",
        "nginx is healthy",
        f"Page     http://localhost:{stack.port}\n",
        f"API      http://localhost:{stack.port}\n",
        f"Docs     http://localhost:{stack.port}/docs\n",
        "Engine   docker · queue: RabbitMQ · workers: 3 of 3 ready",
        f"http://localhost:{stack.ui_port} (on this machine only, guest/guest)",
        "user test, password test",
    ):
        assert words in stack.output, stack.output
    assert not (stack.root / ".venv").exists()


def test_a_second_start_changes_nothing(stack: Stack) -> None:
    before = {one.id for one in stack.containers()}
    assert "It is already running." in stack.start()
    assert {one.id for one in stack.containers()} == before


def test_the_demo_user_gets_an_answer_through_nginx(stack: Stack) -> None:
    assert stack.get("/docs").status_code == 200
    with stack.client() as client:
        before = client.get("/balance").json()["balance"]
        prediction = answer_of(client, "Отличный сервис, доставили вовремя!")
        assert prediction["output"]["label"] == "positive"  # type: ignore[index]
        assert client.get("/balance").json() == {"balance": before - 1, "held": 0}
        assert client.get(f"/predictions/{prediction['id']}").json() == prediction


def test_three_workers_share_the_queue(stack: Stack) -> None:
    with stack.client() as client:
        items = [{"model": "echo", "input": {"text": f"text {number}"}} for number in range(60)]
        for _ in range(10):
            ids = [one["id"] for one in client.post("/predictions/batch", json={"items": items[:9]}).json()["items"]]
            done = [client.get(f"/predictions/{id_}") for id_ in ids]
            assert all(one.status_code == 200 for one in done)
        stack.until(lambda: client.get("/balance").json()["held"] == 0)
        workers = {one["worker_id"] for one in client.get("/predictions", params={"limit": 90}).json()["items"]}
    status = json.loads(stack.run("--status", "--json"))
    known = {one["worker_id"] for one in status["processes"] if one["name"].startswith("worker")}
    assert len(known) == 3
    assert workers & known


def test_rabbitmqs_page_opens_for_guest_on_this_machine(stack: Stack) -> None:
    page = f"http://127.0.0.1:{stack.ui_port}"
    assert "RabbitMQ Management" in httpx2.get(page, timeout=30).text
    queues = httpx2.get(f"{page}/api/queues", auth=("guest", "guest"), timeout=30).json()
    assert {"ml_tasks", "ml_tasks.dead", "ml_results"} <= {one["name"] for one in queues}
    assert httpx2.get(f"{page}/api/queues", auth=("guest", "wrong"), timeout=30).status_code == 401


@pytest.mark.parametrize("service", ["app", "bot", "ml-worker", "rabbitmq", "nginx", "postgres"])
def test_logs_are_there_and_readable(stack: Stack, service: str) -> None:
    said = stack.compose("logs", "--no-log-prefix", "--tail", "50", service)
    assert said.strip()
    if service in ("app", "bot", "ml-worker"):
        for line in said.strip().splitlines():
            assert {"event", "level", "timestamp"} <= json.loads(line).keys(), line


def test_the_bot_without_a_token_says_so_once_and_rests(stack: Stack) -> None:
    (bot,) = stack.containers("bot")
    said = stack.compose("logs", "bot")
    assert said.count("TELEGRAM_TOKEN is not set") == 1
    assert bot.restarts == 0
    assert bot.health == "healthy"


def test_status_and_logs_of_start_py(stack: Stack) -> None:
    shown = stack.run("--status")
    for words in ("healthy, up for", "engine docker, queue rabbitmq, mode demo", "app-2", "worker-3", "nginx"):
        assert words in shown, shown
    assert re.search(r"worker-1 +ready +\d+ .* 0  [0-9a-f]{12}-[0-9a-f]{8}\n", shown), shown
    assert "0 messages waiting" in shown
    assert "worker_ready" in stack.run("--logs", "worker-2")
    assert "There are: app, bot" in stack.run("--logs", "nobody", expected=1)
    assert "The books are right." in stack.run("--cli", "audit")


def test_a_start_with_another_number_of_workers_scales(stack: Stack) -> None:
    before = {one.id for one in stack.containers()}
    said = stack.start("--workers", "5")
    assert "going from 3 to 5 workers" in said
    assert "workers: 5 of 5 ready" in said
    assert before < {one.id for one in stack.containers()}
    assert "workers: 3 of 3 ready" in stack.start("--workers", "3")
    assert before == {one.id for one in stack.containers()}
    stack.compose("up", "-d", "--scale", "ml-worker=4")
    assert before < {one.id for one in stack.containers()}  # nothing else is made again
    stack.until_healthy()
    assert len(stack.containers("ml-worker")) == 4
    stack.start("--workers", "3")


def test_impossible_requests_are_refused_in_one_sentence(stack: Stack) -> None:
    for arguments, words in (
        (["--start", "--engine", "native"], "It runs on the docker engine."),
        (["--start", "--queue", "postgres"], "The docker engine's queue is RabbitMQ."),
        (["--start", "--port", "1"], f"It runs with port {stack.port}."),
        (["--cli", "restore", "nothing.dump"], f"There is no file {stack.root / 'nothing.dump'}."),
    ):
        said = stack.run(*arguments, expected=1)
        assert words in said
        assert "Traceback" not in said


def test_the_old_compose_reads_the_file_too(stack: Stack) -> None:
    try:
        stack.command("docker-compose", "config", "--quiet")
    except FileNotFoundError:
        pytest.xfail("no docker-compose here")


@pytest.mark.parametrize("words", [("docker", "compose"), ("docker-compose",)], ids=" ".join)
def test_what_is_asked_for_is_read_as_compose_reads_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    assert folder.is_dir()
    if shutil.which(words[0]) is None:
        pytest.xfail("no docker-compose here")
    (tmp_path / ".env").write_text('export HTTP_PORT="127.0.0.1:8080"  # closed\nMODE=demo\nOTHER=abc$nothing\n')
    monkeypatch.setattr(compose, "ROOT", tmp_path)
    monkeypatch.setattr(compose, "found", lambda: words)
    monkeypatch.setenv("MODE", "production")
    assert compose.asked() == {"HTTP_PORT": "127.0.0.1:8080", "MODE": "production"}


def test_a_stop_keeps_the_data_and_a_plain_compose_up_finds_them(stack: Stack) -> None:
    with stack.client() as client:
        prediction = answer_of(client, "It stays.")
    assert "The data stay" in stack.run("--stop")
    assert stack.containers() == []
    assert "Nothing runs." in stack.run("--stop")
    assert "Not running" in stack.run("--status", expected=3)
    began = time.monotonic()
    stack.compose("up", "-d")
    stack.until_healthy()
    print(f"healthy after {time.monotonic() - began:.0f} s")  # noqa: T201
    with stack.client() as client:
        assert client.get(f"/predictions/{prediction['id']}").json() == prediction


def test_containers_of_a_killed_start_are_taken_over(stack: Stack) -> None:
    stack.run("--stop")
    with subprocess.Popen(["python3", "start.py", "--start"], cwd=stack.root, env=stack.environment()) as starting:
        stack.until(lambda: len(stack.containers()) > 0)
        starting.kill()
    assert "workers: 3 of 3 ready" in stack.start()
