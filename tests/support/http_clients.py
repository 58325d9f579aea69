"""Clients that people use, each sending a body whole before it reads the answer, or as it likes."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx2
import requests

JSON = {"Content-Type": "application/json"}
NODE = """
const [url, file] = process.argv.slice(1);
const body = require("fs").readFileSync(file);
fetch(url, {method: "POST", body, headers: {"Content-Type": "application/json"}})
  .then(async (answer) => console.log(answer.status, await answer.text()));
"""

Answer = tuple[int, str]


def _urllib(url: str, file: Path) -> Answer:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, file.read_bytes(), JSON), timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _requests(url: str, file: Path) -> Answer:
    answer = requests.post(url, data=file.read_bytes(), headers=JSON, timeout=30)
    return answer.status_code, answer.text


def _requests_streaming(url: str, file: Path) -> Answer:
    data = file.read_bytes()
    pieces = (data[start : start + 16_384] for start in range(0, len(data), 16_384))  # chunked
    answer = requests.post(url, data=pieces, headers=JSON, timeout=30)
    return answer.status_code, answer.text


def _httpx(url: str, file: Path) -> Answer:
    answer = httpx2.post(url, content=file.read_bytes(), headers=JSON, timeout=30)
    return answer.status_code, answer.text


def _curl(url: str, file: Path) -> Answer:
    return _printed("curl", "-s", "--data-binary", f"@{file}", "-H", "Content-Type: application/json", url)


def _curl_at_once(url: str, file: Path) -> Answer:
    """Without asking first, as small bodies are sent (Expect: 100-continue)."""
    return _printed(
        "curl", "-s", "-H", "Expect:", "--data-binary", f"@{file}", "-H", "Content-Type: application/json", url
    )


def _node(url: str, file: Path) -> Answer:
    done = subprocess.run(["node", "-e", NODE, url, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    status, _, text = done.stdout.partition(" ")
    return int(status), text


def _printed(*command: str) -> Answer:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return json.loads(done.stdout)["status"], done.stdout


def clients() -> dict[str, Callable[[str, Path], Answer]]:
    """Those that are installed here."""
    found = {
        "urllib": _urllib,
        "requests": _requests,
        "requests in chunks": _requests_streaming,
        "httpx": _httpx,
    }
    if shutil.which("curl"):
        found |= {"curl": _curl, "curl at once": _curl_at_once}
    if shutil.which("node"):
        found["node"] = _node
    return found


def unread(url: str, folder: Path, *, tries: int = 3) -> list[str]:
    """Which clients do not get to read that a body of 2.1, 5 or 20 MB is too large, by name, size and what they saw."""
    failed = []
    for size in (2_100_000, 5_000_000, 20_000_000):
        file = folder / f"{size}.json"
        file.write_bytes(b'{"text": "' + b"a" * size + b'"}')
        for name, post in clients().items():
            for _ in range(tries):
                try:
                    status, text = post(url, file)
                except Exception as error:  # noqa: BLE001  whatever the client makes of it
                    failed.append(f"{name}, {size}: {error!r:.200}")
                    continue
                if status != 413 or json.loads(text)["code"] != "payload_too_large":
                    failed.append(f"{name}, {size}: {status}")
    return failed
