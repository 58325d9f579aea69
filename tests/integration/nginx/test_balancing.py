"""Replicas come, go, die and freeze behind nginx."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from engine.native.processes import freeze_all
from tests.support.app_process import Process
from tests.support.nginx import FIRST, NOBODY, SECOND, THIRD, Door, OpenDoor, StartReplica
from tests.support.service import code_of
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

ASK = {"model": "echo", "text": "hello"}


def upstreams(door: Door) -> set[str]:
    """The addresses that have answered."""
    return {line["upstream"].rpartition(":")[0] for line in door.log() if line["upstream"]}


def held(client: httpx2.Client, headers: dict[str, str]) -> int:
    found: int = client.get("/balance", headers=headers).json()["held"]
    return found


def wait_until_held(client: httpx2.Client, headers: dict[str, str], credits_held: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while held(client, headers) < credits_held:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_all_replicas_get_requests_and_a_new_one_is_noticed(open_door: OpenDoor) -> None:
    with open_door(FIRST) as door, door.client() as client:
        for _ in range(20):
            assert client.get("/models").status_code == 200
        assert upstreams(door) == {FIRST}
        door.names.addresses = (FIRST, SECOND)
        changed = time.monotonic()
        while upstreams(door) != {FIRST, SECOND}:
            assert client.get("/models").status_code == 200
            assert time.monotonic() - changed < PATIENCE_S
            time.sleep(0.05)
        before = len(door.log())
        for _ in range(60):
            assert client.get("/models").status_code == 200
        answered = [line["upstream"].rpartition(":")[0] for line in door.log()[before:]]
        assert 10 < answered.count(FIRST) < 50


def test_requests_in_flight_survive_their_replica_where_they_may_be_repeated(
    open_door: OpenDoor, start_replica: StartReplica, signed_in: dict[str, str]
) -> None:
    statuses: list[int] = []
    stop = threading.Event()

    def look() -> None:
        with door.client() as client:
            while not stop.is_set() or len(statuses) <= 20:
                statuses.append(client.get("/balance", headers=signed_in).status_code)
                time.sleep(0.01)

    def ask(headers: dict[str, str]) -> int:
        with door.client() as client:
            headers = signed_in | {"Prefer": "wait=30"} | headers
            return client.post("/predictions/predict", json=ASK, headers=headers, timeout=90).status_code

    with (
        open_door(FIRST, THIRD) as door,
        start_replica(THIRD) as third,
        door.client() as client,
        ThreadPoolExecutor(26) as pool,
    ):
        before = held(client, signed_in)
        lookers = [pool.submit(look) for _ in range(2)]
        try:
            with_key = pool.map(ask, [{"Idempotency-Key": uuid4().hex} for _ in range(12)])
            without = pool.map(ask, [{}] * 12)
            wait_until_held(client, signed_in, before + 24)
            third.process.kill()
            assert list(with_key) == [202] * 12
            assert set(without) == {202, 502}
        finally:
            stop.set()
        for looker in lookers:
            looker.result()
        assert held(client, signed_in) == before + 24  # nothing was accepted twice
        assert door.was_tried("502, 202"), door.log()
    assert set(statuses) == {200}


def test_a_lost_submission_heals_by_its_key_and_an_unsent_one_by_itself(
    open_door: OpenDoor, start_replica: StartReplica, signed_in: dict[str, str]
) -> None:
    key = {"Idempotency-Key": "order-1042"}

    def ask(**headers: str) -> httpx2.Response:
        with door.client() as client:
            more = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.post("/predictions/predict", json=ASK, headers=signed_in | more, timeout=90)

    with (
        open_door(THIRD) as door,
        start_replica(THIRD) as third,
        door.client() as client,
        ThreadPoolExecutor(2) as pool,
    ):
        before = held(client, signed_in)
        without = pool.submit(ask, Prefer="wait=30")
        with_key = pool.submit(ask, Prefer="wait=30", **key)
        wait_until_held(client, signed_in, before + 2)
        door.names.addresses = (THIRD, FIRST)
        third.process.kill()
        for answer in (without.result(), with_key.result()):
            assert code_of(answer) == (502, "bad_gateway")
            assert answer.headers["retry-after"] == "1"
        door.names.addresses = (FIRST,)
        time.sleep(2.1)
        healed = ask(**key)
        assert healed.is_success, healed.text
        assert (healed.status_code, healed.headers["idempotent-replayed"]) == (202, "true")
        assert held(client, signed_in) == before + 2
        # What could not even be sent goes to the next replica, with a key or without.
        door.names.addresses = (NOBODY, FIRST)
        changed = time.monotonic()
        while not any(NOBODY in line["upstream"] and line["upstream_status"] == "502, 202" for line in door.log()):
            assert ask().status_code == 202
            assert time.monotonic() - changed < PATIENCE_S, door.log()


def test_a_frozen_replica_costs_time_and_no_answer(
    open_door: OpenDoor, replicas: tuple[Process, Process], signed_in: dict[str, str]
) -> None:
    def look(_: int) -> int:
        with door.client() as client:
            return client.get("/balance", headers=signed_in).status_code

    faster = {"proxy_read_timeout 15s": "proxy_read_timeout 5s"}
    with open_door(FIRST, SECOND, changes=faster) as door, ThreadPoolExecutor(12) as pool:
        freeze_all([replicas[1].process.pid])
        try:
            assert set(pool.map(look, range(36))) == {200}
        finally:
            replicas[1].process.send_signal(signal.SIGCONT)
        assert door.was_tried("504, 200"), door.log()


def test_without_the_app_a_problem_says_so_and_the_files_are_still_there(open_door: OpenDoor) -> None:
    with open_door(NOBODY) as door, door.client() as client:
        for addresses in ((NOBODY,), ()):
            door.names.addresses = addresses
            time.sleep(2.1)
            for answer in (client.get("/models?secret=1"), client.post("/predictions/predict", json=ASK)):
                assert code_of(answer) == (502, "bad_gateway")
                assert answer.headers["retry-after"] == "1"
                assert answer.headers["cache-control"] == "no-store"
        assert client.get("/web/docs/init.js").status_code == 200
        assert "secret" not in door.errors()


def test_all_events_of_a_user_arrive_one_at_a_time(door: Door, signed_in: dict[str, str]) -> None:
    """Also of what the other replica did."""
    wanted = signed_in | {"Accept-Encoding": "gzip"}
    with door.client() as client, client.stream("GET", "/events", headers=wanted) as stream:
        assert "content-encoding" not in stream.headers
        pieces = stream.iter_raw()
        got = b""
        while b"event: snapshot" not in got:
            got += next(pieces)
        for _ in range(2):  # both replicas answer in turn
            with door.client() as other:
                asked = other.post("/predictions/predict", json=ASK, headers=signed_in).json()["id"]
            while asked.encode() not in got:
                got += next(pieces)


def test_events_arrive_one_at_a_time(door: Door, signed_in: dict[str, str]) -> None:
    with door.client() as client:
        prediction = client.post("/predictions/predict", json=ASK, headers=signed_in).json()
        wanted = signed_in | {"Accept-Encoding": "gzip"}
        with client.stream("GET", f"/predictions/{prediction['id']}/events", headers=wanted) as stream:
            assert "content-encoding" not in stream.headers
            got = b""
            pieces = stream.iter_raw()
            while b"event: status" not in got:  # comes while the prediction is open, or not in the client's time
                got += next(pieces)
            with door.client() as other:
                other.post(f"/predictions/{prediction['id']}/cancel", headers=signed_in)
            assert b'"canceled"' in b"".join(pieces)
