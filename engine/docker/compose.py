"""How Docker and Compose are called, and why they cannot be. Standard library only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from engine.common.errors import EngineError
from engine.common.output import say
from engine.common.state import PROJECT, ROOT

FILE = ROOT / "docker-compose.yaml"
POLL_S = 0.5
LINES_MAX = 15
"""Of what a failed command said."""
_QUICK_S = 20


def output(command: Sequence[str], timeout_s: float = _QUICK_S) -> tuple[int, str]:
    """Exit code and words of a command that is quick; whatever keeps it from running counts as a failure."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return 1, str(error)
    return done.returncode, done.stdout + done.stderr


@cache
def found() -> tuple[str, ...] | None:
    """How Compose is called here: the plugin, or the program of the old name; None when there is none."""
    for words in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(words[0]) and output([*words, "version"])[0] == 0:
            return words
    return None


def why_not() -> str | None:
    """Why this engine cannot be used, as one sentence; None when it can."""
    if not FILE.exists():
        return "this version has no docker-compose.yaml."
    if not shutil.which("docker"):
        return "docker is not installed."
    code, said = output(["docker", "info"])
    if code != 0 or "ERROR" in said:
        if "permission denied" in said.lower():
            return "this user may not talk to Docker (sudo usermod -aG docker $USER, then log in again)."
        return "no Docker engine answers (is the service docker started?)."
    if found() is None:
        return "Docker has no Compose plugin (install docker-compose-plugin)."
    return None


def asked() -> dict[str, str]:
    """What the environment and `.env` ask for, as Compose itself reads them (`x-asked` in the compose file).

    Empty for docker-compose 1.29, which cannot say; it reads the file itself.

    Raises:
        EngineError: Compose cannot read a file.
    """
    code, said = output([*command(), "config", "--format", "json"])
    if code != 0 and "--format" not in said and "format" not in said.partition("sage")[0]:
        raise EngineError(f"Compose cannot read its files: {said.strip()}")
    try:
        values = json.loads(said)["x-asked"]
    except (ValueError, KeyError):
        return {}
    return {str(name): str(value) for name, value in values.items() if value}


def missing_image() -> str | None:
    """The first base image that is neither here nor can be pulled; None when all can be had."""
    names = {"python": "PYTHON_IMAGE", **{name: f"{name.upper()}_IMAGE" for name in ("postgres", "rabbitmq", "nginx")}}
    defaults = {"python": "python:3.12-slim", "postgres": "postgres:17"}
    defaults |= {"rabbitmq": "rabbitmq:3-management", "nginx": "nginx:stable"}
    given = asked()
    for name, setting in names.items():
        image = given.get(setting.lower()) or defaults[name]
        if output(["docker", "image", "inspect", image])[0] == 0:
            continue
        say(f"  pulling {image}")
        if subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, check=False).returncode != 0:
            return image
    return None


def command() -> tuple[str, ...]:
    """How Compose is called here; raises EngineError where there is none."""
    there = found()
    if there is None:
        raise EngineError("Docker has no Compose plugin (install docker-compose-plugin).")
    return there


def build_step(line: str) -> str | None:
    """The part of a build's output line that is worth showing: the slow steps."""
    step = re.match(r"(?:Step [\d/]+ : |#\d+ \[)(.*\bRUN .*)", line)
    return f"    {step[1][:100]}" if step else None


def run(
    *arguments: str,
    environment: Mapping[str, str],
    shown: Callable[[str], str | None] = lambda _: None,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Run Compose; its words go to a log, and the last of them into the error where it fails."""
    log = PROJECT.logs / "docker.log"
    with log.open("w+") as output, log.open() as written:
        process = subprocess.Popen(
            [*command(), *arguments], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        try:
            ended = None
            while ended is None:
                ended = process.poll()
                for line in written:
                    if text := shown(line.rstrip()):
                        say(text)
                meanwhile()
                if ended is None:
                    time.sleep(POLL_S)
        except KeyboardInterrupt:
            process.wait()
            say("\nInterrupted. What has started goes on: python3 start.py --stop ends it.")
            raise
    if ended != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LINES_MAX:])
        raise EngineError(f"`docker compose {arguments[0]}` failed (all of it: {log}).\n{tail}")
