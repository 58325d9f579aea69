"""What nginx lets through: sizes, speeds, rates, and whom it counts them for."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support.http_clients import unread
from tests.support.nginx import FIRST, SECOND, Door, OpenDoor, raw
from tests.support.service import PASSWORD, code_of
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

ONE_A_MINUTE = {"${NGINX_REQUESTS_PER_S}r/s": "1r/m"}
"""So that nothing is allowed again during a test."""


def test_a_body_too_large_is_refused_and_the_largest_one_arrives(door: Door, signed_in: dict[str, str]) -> None:
    json = {"Content-Type": "application/json"}
    with door.client() as client:
        for size in (2_000_001, 2_050_000, 3_000_000):
            answer = client.post("/predictions/predict", content=b" " * size, headers=signed_in | json)
            assert code_of(answer) == (413, "payload_too_large")
        answer = client.post("/predictions/predict", content=b" " * 2_000_000, headers=signed_in | json)
        assert code_of(answer) == (422, "invalid_input")
        assert door.logged(answer.headers["x-request-id"])["upstream_status"] == "422"


def test_every_client_reads_that_its_body_is_too_large(door: Door, tmp_path: Path) -> None:
    assert unread(f"http://127.0.0.1:{door.port}/predictions/predict", tmp_path) == []


def test_sign_ins_are_limited_for_one_address_and_nothing_else_is(open_door: OpenDoor) -> None:
    slow = {"${NGINX_SIGN_INS_PER_S}r/s": "5r/m"}
    with (
        open_door(FIRST, changes=slow) as door,
        door.client("127.0.0.8") as eager,
        door.client("127.0.0.7") as other,
    ):
        for path, refused_min in (("/token", 10), ("/users", 30), ("/session", 30)):  # they count together
            answers = [eager.post(path, headers={"Content-Type": "application/json"}) for _ in range(40)]
            refused = [answer for answer in answers if answer.status_code == 429]
            assert len(refused) >= refused_min, path
            for answer in refused:
                assert code_of(answer) == (429, "too_many_requests")
                assert answer.headers["retry-after"] == "1"
            assert eager.get("/models").status_code == 200
            assert other.post(path).status_code in {415, 422}


def test_requests_are_limited_for_each_address(open_door: OpenDoor) -> None:
    with open_door(FIRST, changes=ONE_A_MINUTE, NGINX_REQUESTS_BURST="2") as door:
        with door.client("127.0.0.8") as eager:
            answers = [eager.get("/models") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
        assert code_of(answers[-1]) == (429, "too_many_requests")
        with door.client("127.0.0.7") as other:
            assert other.get("/models").status_code == 200


def test_requests_under_way_are_limited_for_each_address(open_door: OpenDoor, signed_in: dict[str, str]) -> None:
    with open_door(FIRST, NGINX_UNDER_WAY_MAX="2") as door, door.client() as client, ExitStack() as streams:
        asked = client.post("/predictions/predict", json={"model": "echo", "text": "a"}, headers=signed_in).json()
        for _ in range(2):
            stream = client.stream("GET", f"/predictions/{asked['id']}/events", headers=signed_in)
            assert streams.enter_context(stream).status_code == 200
        refused = client.get("/models")
        assert code_of(refused) == (429, "too_many_requests")
        assert refused.headers["retry-after"] == "1"
        with door.client("127.0.0.7") as other:
            assert other.get("/models").status_code == 200


def test_bodies_that_never_end_are_limited_for_each_address(open_door: OpenDoor) -> None:
    with open_door(FIRST, NGINX_LARGE_BODIES_MAX="2") as door, door.client() as client, ExitStack() as open_ones:
        for length in (b"Content-Length: 1000000", b"Transfer-Encoding: chunked"):
            slow = open_ones.enter_context(socket.create_connection(("127.0.0.1", door.port)))
            slow.sendall(b"POST /predictions/batch HTTP/1.1\r\nHost: a\r\n" + length + b"\r\n\r\n1")
        begun = time.monotonic()
        while (refused := client.post("/predictions/batch", content=b" " * 100_000)).status_code != 429:
            assert time.monotonic() - begun < PATIENCE_S, "the two others have arrived since"
        assert code_of(refused) == (429, "too_many_requests")
        assert client.post("/predictions/batch", content=b" " * 99_999).status_code != 429
        with door.client("127.0.0.7") as other:
            assert other.post("/predictions/batch", content=b" " * 100_000).status_code != 429


def test_limits_count_a_64_network_as_one(open_door: OpenDoor) -> None:
    slow = {"NGINX_REQUESTS_BURST": "1", "NGINX_TRUSTED_PROXIES": "127.0.0.1"}
    pairs = [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:1::2", True),
        ("2001:db8:0:3::1", "2001:db8:0:4::1", False),
        ("2001:db8:5:2:3:4:5:6", "2001:db8:5:2:6:5:4:3", True),
        ("2001:db8:6:2:3:4:5:6", "2001:db8:6:2::6", True),
        ("2001:db8:7:2:3:4:5:6", "2001:db8:7:3:3:4:5:6", False),
        ("2001:db9::1:2:3:4", "2001:db9::4:3:2:1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ]
    with open_door(FIRST, changes=ONE_A_MINUTE, **slow) as door, door.client() as client:
        for one, other, is_same in pairs:
            said = [client.get("/models", headers={"X-Forwarded-For": address}) for address in (one, one, other)]
            assert [answer.status_code for answer in said] == [200, 200, 429 if is_same else 200], (one, other)


def _guess(client: httpx2.Client, headers: dict[str, str]) -> httpx2.Response:
    return client.post("/token", data={"username": "victim", "password": "a wrong one"}, headers=headers)


def test_a_made_up_origin_dodges_no_limit(open_door: OpenDoor) -> None:
    with open_door(FIRST, SECOND) as door, door.client("127.0.0.6") as client:
        assert client.post("/users", json={"username": "victim", "password": PASSWORD}).status_code == 201
        answers = []
        for number in range(6):
            made_up = f"198.51.100.{number}"
            headers = {"X-Forwarded-For": made_up, "X-Real-IP": made_up, "Forwarded": f"for={made_up}"}
            answers.append(_guess(client, headers))
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert door.logged(answers[-1].headers["x-request-id"])["upstream_status"] == "429"
        assert answers[-1].headers["retry-after"].isdigit()


def test_a_proxy_in_front_is_believed_as_far_as_it_is_trusted(open_door: OpenDoor) -> None:
    with open_door(FIRST, NGINX_TRUSTED_PROXIES="127.0.0.5,192.0.2.0/24") as door:
        for source, said, expected in (
            ("127.0.0.5", "198.51.100.1", "198.51.100.1"),
            ("127.0.0.5", "6.6.6.6, 198.51.100.1, 192.0.2.9", "198.51.100.1"),
            ("127.0.0.4", "198.51.100.1", "127.0.0.4"),
        ):
            with door.client(source) as client:
                answer = client.get("/models", headers={"X-Forwarded-For": said})
                assert door.logged(answer.headers["x-request-id"])["client"] == expected


def test_a_slow_request_is_ended(open_door: OpenDoor) -> None:
    sooner = {
        "client_header_timeout 10s": "client_header_timeout 1s",
        "client_body_timeout 10s": "client_body_timeout 1s",
    }
    body = b"POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nusername="
    with open_door(FIRST, changes=sooner) as door:
        for part in (body, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "):
            answer = raw(door.port, part, timeout_s=PATIENCE_S)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
        assert {line["status"] for line in door.log()} == {408}
        assert not any(line["upstream"] for line in door.log())


def test_a_wrong_network_is_named_and_nothing_starts(door: Door) -> None:
    wrong = {"NGINX_INSIDE_NETWORKS": "10.0.0.0/8,evil;", "NGINX_ENVSUBST_OUTPUT_DIR": str(door.folder)}
    done = subprocess.run([door.files / "networks.sh"], env=wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "NGINX_INSIDE_NETWORKS: not an address or a network: evil;" in done.stderr
