"""`/metrics` of the native engine, with two app processes and two workers: one truth for the host."""

from __future__ import annotations

import json
import re
import time
from collections import Counter

import httpx2
import pytest

from engine.common.state import Places
from engine.native.processes import wait_until
from tests.support.system import PATIENCE_S, System

pytestmark = pytest.mark.slow

REQUESTS = "ml_service_requests_total"
FINISHED = "ml_service_predictions_finished_total"
WAITERS = "ml_service_live_waiters"


def told(system: System) -> Counter[str]:
    """The sums by name; each question is a connection of its own, so that any of the app's processes answers."""
    text = httpx2.get(f"{system.url}/metrics", timeout=60).raise_for_status().text
    sums: Counter[str] = Counter()
    for line in text.splitlines():
        if found := re.fullmatch(r"(\w+)(\{.*\})? (\S+)", line):
            sums[found[1]] += int(float(found[3]))
    return sums


def predict(client: httpx2.Client, times: int) -> None:
    for _ in range(times):
        answer = client.post("/predictions/predict", json={"text": "so quiet"}, headers={"Prefer": "wait=50"})
        assert answer.status_code == 200, answer.text


def test_whichever_process_answers_it_tells_what_all_have_done(system: System) -> None:
    names = {name for name in system.pids() if name.startswith("app-")}
    assert names == {"app-1", "app-2"}
    workers = sum(name.startswith("worker-") for name in system.pids())
    # Workers that an earlier test has killed count until their leases end, and each process counts them by itself.
    system.until_every_app(lambda _: told(system)["ml_service_workers"] == workers)
    before = told(system)
    with system.client() as client:
        predict(client, 10)
    after = [told(system) for _ in range(30)]
    for one in after:
        assert one[FINISHED] >= before[FINISHED] + 10  # counted by workers
        assert one["ml_service_batch_seconds_count"] > 0
        assert one["ml_service_predictions_accepted_total"] >= before["ml_service_predictions_accepted_total"] + 10
    requests = [one[REQUESTS] for one in [before, *after]]
    assert requests == sorted(requests)
    assert requests[-1] >= requests[0] + 10 + 29
    assert {one["ml_service_workers"] for one in after} == {workers}  # what each process knows is not added up


@pytest.mark.timeout(300)
def test_no_sum_falls_when_processes_die(system: System) -> None:
    with system.client() as client:
        predict(client, 3)
    before = told(system)
    files = sorted(file.name for file in Places(system.root / "var").metrics.iterdir())
    for name in ("app-1", "worker-1", "worker-2"):
        system.kill_and_see_it_back(name)
    after = told(system)
    assert after[REQUESTS] >= before[REQUESTS]
    assert after[FINISHED] >= before[FINISHED]
    assert sorted(file.name for file in Places(system.root / "var").metrics.iterdir()) == files


def test_clients_waiting_at_a_dead_process_are_not_counted(system: System) -> None:
    assert wait_until(lambda: told(system)[WAITERS] == 0, PATIENCE_S, 0.2)
    for name in [name for name in system.pids() if name.startswith("app-")]:
        system.kill_and_see_it_back(name)
    assert told(system)[WAITERS] == 0


def test_models_do_not_see_where_the_counting_is_done(system: System) -> None:
    end = time.monotonic() + PATIENCE_S
    while (pid := system.child_of("worker-1", "sentiment")) is None:  # the default model: others sleep until asked
        assert time.monotonic() < end
        time.sleep(0.1)
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - not a file of ours
        names = [entry.partition(b"=")[0].decode() for entry in file.read().split(b"\0")]
    assert "PATH" in names
    assert not [name for name in names if "METRICS" in name or "PROMETHEUS" in name], json.dumps(names)
