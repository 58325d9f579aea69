"""What answers through nginx look like: headers, problems, files, compression, ids, the log."""

from __future__ import annotations

import json
import re
from collections import Counter

import httpx2
import pytest

from services.app.http.files import MEDIA_TYPES
from services.app.http.headers import DOCS_POLICY, PAGE_POLICY
from tests.support.app_process import Process
from tests.support.nginx import FIRST, WEB, Door, OpenDoor, raw
from tests.support.service import code_of

OUTSIDE = "127.0.0.9"
"""A client's address that nginx has no reason to trust."""
ALWAYS = {
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "cross-origin-resource-policy",
    "content-security-policy",
    "cache-control",
    "x-request-id",
}


def test_every_answer_has_each_header_once(door: Door, signed_in: dict[str, str]) -> None:
    with door.client(OUTSIDE) as outside, door.client() as client:
        answers = [
            client.get("/balance", headers=signed_in),
            client.get("/balance"),
            client.get("/docs"),
            client.get("/web/docs/init.js"),
            client.get("/web/missing.js"),
            client.get("/nginx-health"),
            client.post("/web/docs/init.js"),
            client.post("/token", content=b"a" * 3_000_000),
            outside.get("/metrics"),
        ]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 200, 404, 204, 405, 413, 404]
    for answer in answers:
        times = Counter(name.lower() for name, _ in answer.headers.multi_items())
        assert {name: times[name] for name in ALWAYS} == dict.fromkeys(ALWAYS, 1), answer.url
        assert "strict-transport-security" not in times
        assert re.fullmatch("nginx", answer.headers["server"])


def test_nginx_speaks_as_the_app_does(door: Door, replicas: tuple[Process, Process]) -> None:
    with door.client(OUTSIDE) as outside, replicas[0].client() as app:
        for mine, own in (
            (outside.get("/metrics"), app.get("/unknown")),
            (outside.get("/admin"), app.get("/unknown")),
            (outside.get("/web/docs/init.js"), app.get("/web/docs/init.js")),
            (outside.post("/token", content=b"a" * 3_000_000), app.post("/token", content=b"a" * 3_000_000)),
            (outside.post("/web/docs/init.js"), app.post("/web/docs/init.js")),
        ):
            assert mine.status_code == own.status_code
            for name in ALWAYS - {"x-request-id"}:
                assert mine.headers[name] == own.headers[name], (mine.url, name)
            if mine.status_code != 200:
                assert code_of(mine) == code_of(own)
                differs = {"request_id"}
                if mine.status_code == 413:  # which Python from 3.13 on calls by another name
                    differs |= {"title", "detail"}
                assert {**mine.json(), **dict.fromkeys(differs)} == {**own.json(), **dict.fromkeys(differs)}
            else:
                assert mine.content == own.content


def test_the_inside_is_shown_to_the_inside_only(door: Door, open_door: OpenDoor) -> None:
    hidden = ("/metrics", "//metrics", "/%6detrics", "/docs/../metrics", "/docs/..%2fmetrics")
    disguise = "Connection: close\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"
    with door.client(OUTSIDE) as outside, door.client() as client:
        for path in hidden:
            head = f"GET {path} HTTP/1.1\r\nHost: a\r\n{disguise}"
            assert raw(door.port, head.encode(), source=OUTSIDE).startswith(b"HTTP/1.1 404 "), path
        assert "ml_service_requests" in client.get("/metrics").text
        assert code_of(outside.get("/nginx-health", headers={"X-Forwarded-For": "127.0.0.1"})) == (404, "not_found")
    with open_door(FIRST, NGINX_INSIDE_NETWORKS="192.0.2.0/24, 127.0.0.8/31,::2") as other:
        for source in ("127.0.0.8", OUTSIDE, "127.0.0.1"):
            with other.client(source) as client:
                assert "ml_service_requests" in client.get("/metrics").text
        with other.client("127.0.0.10") as client:
            assert client.get("/metrics").status_code == 404


def test_a_request_has_one_id_everywhere(door: Door) -> None:
    with door.client() as client:
        mine = client.get("/balance?cursor=1", headers={"X-Request-ID": "abc-1"})
        assert mine.headers["x-request-id"] == "abc-1"
        assert code_of(mine) == (401, "unauthenticated")
        assert door.logged("abc-1")["upstream"]
        for odd in ("a b", "a" * 101, 'a"b', ""):
            made = client.get("/balance", headers={"X-Request-ID": odd}).headers["x-request-id"]
            assert re.fullmatch("[0-9a-f]{32}", made)
            assert door.logged(made)["status"] == 401
        refused = client.post("/token", content=b"a" * 3_000_000, headers={"X-Request-ID": "abc-2"})
        assert code_of(refused) == (413, "payload_too_large")
        assert refused.headers["x-request-id"] == "abc-2"


def test_the_log_holds_a_line_a_request_and_nothing_secret(door: Door, signed_in: dict[str, str]) -> None:
    secret = "eyJsecret"
    with door.client() as client:
        answer = client.get(
            f"/predictions?limit=1&token={secret}", headers=signed_in | {"Referer": f"http://a/{secret}"}
        )
        client.get("/health/live")
        client.get("/nginx-health")
        line = door.logged(answer.headers["x-request-id"])
    assert line["path"] == "/predictions"
    assert (line["method"], line["status"], line["client"]) == ("GET", 422, "127.0.0.1")
    assert line["bytes"] == len(answer.content)
    assert 0 <= float(line["upstream_seconds"]) <= line["seconds"] + 0.01
    assert line["upstream"].startswith("127.0.0.")
    assert (line["service"], line["event"], line["upstream_status"]) == ("nginx", "request", "422")
    raw(door.port, b'GET /\xff"\\\x7f?' + secret.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    raw(door.port, b"GET /?" + secret.encode() + b" HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n")
    raw(door.port, secret.encode() + b"\r\n\r\n")
    written = (door.folder / "access").read_text() + door.errors()
    assert secret not in written
    assert signed_in["Authorization"].removeprefix("Bearer ") not in written
    assert not [line for line in door.log() if "health" in line["path"] and line["status"] < 300]


def test_texts_are_compressed(door: Door) -> None:
    with door.client() as client:
        for path in ("/openapi.json", "/web/docs/swagger-ui.css", "/web/docs/swagger-ui-bundle.js"):
            plain = client.get(path, headers={"Accept-Encoding": "identity"})
            packed = client.get(path, headers={"Accept-Encoding": "gzip"})
            assert packed.headers["content-encoding"] == "gzip", path
            assert packed.headers["vary"] == "Accept-Encoding"
            assert packed.content == plain.content
            size = sum(len(piece) for piece in _raw_pieces(client, path))
            assert size < len(plain.content) / 2


def _raw_pieces(client: httpx2.Client, path: str) -> list[bytes]:
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as stream:
        return list(stream.iter_raw())


PAGES = ("/", "/app", "/app/history?status=failed", "/app/operate/users", "/docs")


@pytest.mark.slow
def test_the_page_and_its_files_are_as_the_app_serves_them(door: Door, replicas: tuple[Process, Process]) -> None:
    """One policy, byte for byte, from nginx and from the app."""
    files = [f"/web/{path.relative_to(WEB)}" for path in sorted(WEB.rglob("*")) if path.suffix[1:] in MEDIA_TYPES]
    told = {*ALWAYS, "content-type", "vary", "content-encoding"} - {"x-request-id"}
    with door.client(OUTSIDE) as outside, replicas[0].client() as app:
        for path in (*PAGES, *files, "/web/missing.js", "/web/views/", "/web/app.js.gz"):
            for packing in ("gzip", "identity"):
                for method in ("GET", "HEAD"):
                    asked = {"headers": {"Accept-Encoding": packing}}
                    mine, own = outside.request(method, path, **asked), app.request(method, path, **asked)
                    assert mine.status_code == own.status_code, (method, path)
                    for name in told:
                        assert mine.headers.get(name) == own.headers.get(name), (method, path, packing, name)
                    if mine.status_code == 200:
                        assert mine.content == own.content, path
                        assert door.logged(mine.headers["x-request-id"])["upstream"] == ""


def test_each_address_of_a_view_is_the_page_and_others_are_problems(door: Door) -> None:
    with door.client(OUTSIDE) as client:
        for path in PAGES[:-1]:
            page = client.get(path)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert page.headers["content-security-policy"] == PAGE_POLICY
            assert page.headers["cache-control"] == "no-cache"
        assert client.get("/docs").headers["content-security-policy"] == DOCS_POLICY
        for path in ("/application", "/webs", "/web", "/index.html", "/web/index.html", "/web/docs/README.md", "/ap"):
            assert code_of(client.get(path)) == (404, "not_found"), path
        assert code_of(client.post("/")) == (405, "method_not_allowed")


def test_files_are_served_without_the_app_and_kept_by_browsers(open_door: OpenDoor) -> None:
    with open_door(FIRST) as door, door.client() as client:
        (door.web / "docs" / "chart.0a1b2c3d4e.js").write_text("1")
        door.take_files()
        named = client.get("/web/docs/chart.0a1b2c3d4e.js")
        assert "immutable" in named.headers["cache-control"]
        file = client.get("/web/docs/init.js")
        assert file.headers["cache-control"] == "no-cache"
        again = client.get("/web/docs/init.js", headers={"If-None-Match": file.headers["etag"]})
        assert again.status_code == 304
        assert again.headers["cache-control"] == "no-cache"
        assert door.logged(file.headers["x-request-id"])["upstream"] == ""
        (door.served / "docs" / "init.js").unlink()
        fallen = client.get("/web/docs/init.js")
        assert fallen.content == file.content
        assert fallen.headers["cache-control"] == "no-cache"
        assert door.logged(fallen.headers["x-request-id"])["upstream"]
        assert client.get("/web/docs/chart.ffffffffff.js").headers["cache-control"] == "no-store"


def test_two_nginxes_give_a_file_the_same_tag(open_door: OpenDoor) -> None:
    with open_door(FIRST) as first, open_door(FIRST) as second:
        for packing in ("gzip", "identity"):
            tags = set()
            for door in (first, second):
                with door.client() as client:
                    answer = client.get("/web/docs/swagger-ui.css", headers={"Accept-Encoding": packing})
                    tags.add(answer.headers["etag"])
            assert len(tags) == 1


@pytest.mark.parametrize(
    ("status", "code", "parts"),
    [
        (400, "bad_request", [b"GET / HTTP/1.1\r\n\r\n"]),
        (400, "bad_request", [b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"]),
        (
            400,
            "bad_request",
            [
                b"POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
            ],
        ),
        (405, "method_not_allowed", [b"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]),
        (431, "headers_too_large", [b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"a" * 100_000 + b"\r\n\r\n"]),
        (414, "uri_too_long", [b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]),
        (413, "payload_too_large", [b"POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"]),
        (
            413,
            "payload_too_large",
            [b"POST /token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"]
            + [b"%x\r\n%s\r\n" % (65536, b"a" * 65536)] * 40,
        ),
    ],
)
def test_odd_requests_are_refused_with_a_problem(door: Door, status: int, code: str, parts: list[bytes]) -> None:
    head, _, body = raw(door.port, *parts, timeout_s=2).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert head.count(b"HTTP/1.1") == 1
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert headers["content-type"] == "application/problem+json"
    assert headers.keys() >= ALWAYS
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]


def test_malformed_requests_are_refused(door: Door) -> None:
    for nonsense in (
        b"nonsense\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ):
        assert raw(door.port, nonsense).startswith(b"HTTP/1.1 4")
