"""The docker engine: the same commands, done by `docker compose` on this folder's docker-compose.yaml."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

from engine.state import PROJECT, ROOT, write_json

FILE = ROOT / "docker-compose.yaml"
_TIMEOUT_S = 20


def _output(command: Sequence[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return 1, str(error)
    return done.returncode, done.stdout + done.stderr


@cache
def compose() -> tuple[str, ...] | None:
    """How Compose is called here: the plugin, or the program of the old name; None when there is none."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) and _output([*command, "version"])[0] == 0:
            return command
    return None


def why_not() -> str | None:
    """Why this engine cannot be used, as one sentence; None when it can."""
    if not FILE.exists():
        return "this version has no docker-compose.yaml."
    if not shutil.which("docker"):
        return "docker is not installed."
    code, said = _output(["docker", "info"])
    if code != 0 or "ERROR" in said:
        if "permission denied" in said.lower():
            return "this user may not talk to Docker (usermod -aG docker, then log in anew)."
        return "no Docker engine answers."
    if compose() is None:
        return "Docker has no Compose plugin."
    return None


def _compose(*arguments: str) -> int:
    return subprocess.run([*(compose() or ("docker", "compose")), *arguments], cwd=ROOT, check=False).returncode


def is_running() -> bool:
    """Whether containers of this folder run."""
    code, said = _output([*(compose() or ("docker", "compose")), "ps", "--quiet"])
    return code == 0 and bool(said.strip())


def start(workers: int | None, port: int | None) -> int:
    """Start, or scale; waits until all is healthy."""
    scale = ["--scale", f"ml-worker={workers}"] if workers else []
    write_json(
        PROJECT.engine_file,
        {"engine": "docker", "port": port or 80, "started_at": datetime.now(UTC).isoformat(timespec="seconds")},
    )
    return _compose("up", "-d", "--build", "--wait", *scale)


def stop() -> int:
    """Stop and remove the containers; the volumes stay."""
    return _compose("down")


def status() -> int:
    """Show the containers."""
    return _compose("ps")


def logs(service: str | None, *, follow: bool) -> int:
    """Show the containers' logs."""
    name = "ml-worker" if service == "worker" else service
    return _compose("logs", "--tail", "40", *(["--follow"] if follow else []), *([name] if name else []))


def cli(arguments: Sequence[str]) -> int:
    """Run the `ml-service` command in the app's container."""
    return _compose("exec", "app", "python", "-m", "ml_service.cli", *arguments)
