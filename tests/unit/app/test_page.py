"""The page's files: found, compressed, tagged, kept; and the policy of the page."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from services.app.api import page
from services.app.http.headers import API_POLICY, DOCS_POLICY, IMPORT_MAP_SHA256, PAGE_POLICY

NGINX = Path(__file__).parents[3] / "services" / "nginx"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    web = tmp_path / "web"
    for name, text in {
        "index.html": "<!doctype html><title>Page</title>",
        "docs/index.html": "<!doctype html><title>Docs</title>",
        "app.js": "export const answer = 42;\n" * 100,
        "vendor/@preact/signals.js": "export {};",
        "chart.0a1b2c3d4e.css": "b{}",
        "notes.md": "not shown",
    }.items():
        path = web / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (web / "dot.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.js").write_text("secret")
    return web


@pytest.fixture
def client(folder: Path) -> httpx2.AsyncClient:
    app = Starlette(routes=page.routes(folder))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://app")


async def test_every_view_is_the_page(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/app", "/app/", "/app/history", "/app/operate/dead-letters", "/app/x?y=1"):
        answer = await client.get(path)
        assert "<title>Page" in answer.text, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"] == PAGE_POLICY
        assert answer.headers["cache-control"] == "no-cache"
    docs = await client.get("/docs")
    assert "<title>Docs" in docs.text
    assert docs.headers["content-security-policy"] == DOCS_POLICY


async def test_files_have_their_type_and_the_strictest_policy(client: httpx2.AsyncClient) -> None:
    for path, media_type, kept in (
        ("app.js", "text/javascript; charset=utf-8", "no-cache"),
        ("vendor/@preact/signals.js", "text/javascript; charset=utf-8", "no-cache"),
        ("chart.0a1b2c3d4e.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("dot.png", "image/png", "no-cache"),
    ):
        answer = await client.get(f"/web/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type), path
        assert answer.headers["cache-control"] == kept
        assert answer.headers["content-security-policy"] == API_POLICY


@pytest.mark.parametrize(
    "path",
    [
        "missing.js",
        "index.html",
        "docs/index.html",
        "notes.md",
        "",
        "vendor",
        "vendor/",
        "../secret.js",
        "%2e%2e/secret.js",
        "..%2fsecret.js",
        "vendor/..%2f..%2fsecret.js",
        "%2fetc/passwd.js",
        "app.js%00",
        ".hidden.js",
        "a" * 5000 + ".js",
    ],
)
async def test_nothing_else_is_shown(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(f"/web/{path}")).status_code == 404


async def test_texts_are_compressed_for_clients_that_take_it(client: httpx2.AsyncClient, folder: Path) -> None:
    text = (folder / "app.js").read_bytes()
    for accepted, is_packed in (
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("identity", False),
        ("x-gzip", False),
    ):
        async with client.stream("GET", "/web/app.js", headers={"Accept-Encoding": accepted}) as answer:
            sent = b"".join([piece async for piece in answer.aiter_raw()])
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None), accepted
        assert (gzip.decompress(sent) if is_packed else sent) == text
        assert int(answer.headers["content-length"]) == len(sent)
    assert "vary" not in (await client.get("/web/dot.png")).headers


async def test_a_file_that_the_browser_has_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    tags = set()
    for packing in ("gzip", "identity"):
        tag = (await client.get("/web/app.js", headers={"Accept-Encoding": packing})).headers["etag"]
        tags.add(tag)
        for said in (tag, f"W/{tag}", f'"other", {tag}'):
            again = await client.get("/web/app.js", headers={"Accept-Encoding": packing, "If-None-Match": said})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            assert again.headers["cache-control"] == "no-cache"
    assert len(tags) == 2
    other = await client.get("/web/app.js", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_a_changed_file_is_sent_without_a_restart(client: httpx2.AsyncClient, folder: Path) -> None:
    first = await client.get("/web/app.js")
    (folder / "app.js").write_text("export const answer = 43;\n")
    second = await client.get("/web/app.js")
    assert second.text == "export const answer = 43;\n"
    assert second.headers["etag"] != first.headers["etag"]
    os.utime(folder / "app.js", ns=(1, 1))  # the same content under another time
    assert (await client.get("/web/app.js")).headers["etag"] == second.headers["etag"]
    (folder / "app.js").unlink()
    assert (await client.get("/web/app.js")).status_code == 404


def test_nginx_has_the_same_policies() -> None:
    text = (NGINX / "answers.conf").read_text()
    for policy in (PAGE_POLICY, DOCS_POLICY, API_POLICY):
        assert f'"{policy}";' in text


def test_no_policy_lets_anything_unsafe_or_from_elsewhere_in() -> None:
    for policy in (PAGE_POLICY, DOCS_POLICY, API_POLICY):
        assert not re.search(r"unsafe|https?:|\*|ws:", policy)
        assert policy.startswith("default-src 'none'; ")


def test_the_only_inline_script_is_the_import_map_that_the_policy_names() -> None:
    text = (page.FOLDER / "index.html").read_text()
    inline = re.findall(r"<script(?![^>]*\ssrc=)([^>]*)>(.*?)</script>", text, re.DOTALL)
    assert [attributes.strip() for attributes, _ in inline] == ['type="importmap"']
    digest = base64.b64encode(hashlib.sha256(inline[0][1].encode()).digest()).decode()
    assert digest == IMPORT_MAP_SHA256, "put it into services/app/http/headers.py and services/nginx/answers.conf"
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)
