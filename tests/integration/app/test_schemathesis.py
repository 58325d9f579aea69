"""Schemathesis asks everything that the description allows, and much that it does not: never a 5xx."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.app_process import Process

ROOT = Path(__file__).parents[3]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# The first ones end the session that all requests are made by; the last one is a stream without end.
EXCLUDED = ("/logout", "/users/me/password", "/events")


@pytest.mark.slow
def test_whatever_is_asked_is_answered_as_described(running: Process, tmp_path: Path) -> None:
    assert "READY=1" in running.told()
    with running.client() as client:
        tokens = client.post("/token", data={"username": "test", "password": "test"}).json()
    command = [
        Path(sys.executable).parent / "schemathesis",
        *("run", f"http://127.0.0.1:{running.port}/openapi.json", "--no-color"),
        *("--header", f"Authorization: Bearer {tokens['access_token']}"),
        *("--generation-with-security-parameters", "false"),  # a key beside the session would be refused
        *("--checks", CHECKS, "--max-examples", "4", "--max-time", "20", "--generation-deterministic"),
        *(option for path in EXCLUDED for option in ("--exclude-path", path)),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
