"""How Docker and Compose are called, and why they cannot be. Standard library only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from engine.common.errors import EngineError
from engine.common.output import say
from engine.common.state import PROJECT, ROOT

FILE = ROOT / "docker-compose.yaml"
POLL_S = 0.5
LINES_MAX = 15
"""Of what a failed command said."""
_QUICK_S = 20


_SETTINGS = ("HTTP_PORT", "HOST", "ML_WORKERS", "RABBITMQ_UI_PORT", "MODE")
_IMAGES = {
    "PYTHON_IMAGE": "python:3.12-slim",
    "POSTGRES_IMAGE": "postgres:17",
    "RABBITMQ_IMAGE": "rabbitmq:3-management",
    "NGINX_IMAGE": "nginx:stable",
}


class Ended(NamedTuple):
    """How a quick command ended, and what it said. ``err`` may hold warnings, whatever the command answers."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All of it, for a person."""
        return (self.out + self.err).strip()


def output(command: Sequence[str], timeout_s: float | None = _QUICK_S, *, given: str = "") -> Ended:
    """Run a command that is quick, on ``given`` as its input; whatever keeps it from running counts as a failure."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Ended(1, "", str(error))
    return Ended(done.returncode, done.stdout, done.stderr)


@cache
def found() -> tuple[str, ...] | None:
    """How Compose is called here: the plugin, or the program of the old name; None when there is none."""
    for words in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(words[0]) and output([*words, "version"]).code == 0:
            return words
    return None


def why_not() -> str | None:
    """Why this engine cannot be used, as one sentence; None when it can."""
    if not FILE.exists():
        return "this version has no docker-compose.yaml."
    if not shutil.which("docker"):
        return "docker is not installed."
    info = output(["docker", "info"])
    if info.code != 0 or "ERROR" in info.said:
        if "permission denied" in info.said.lower():
            return "this user may not talk to Docker (sudo usermod -aG docker $USER, then log in again)."
        return "no Docker engine answers (is the service docker started?)."
    if found() is None:
        return "Docker has no Compose plugin (install docker-compose-plugin)."
    return None


def asked() -> dict[str, str]:
    """What the environment and `.env` ask for, by the setting's name; what is empty or missing is left out.

    Compose of either version fills in a file of our own, so that its rules count, whichever files it starts.

    Raises:
        EngineError: Compose cannot read `.env`, or its answer is not understood.
    """
    names = (*_SETTINGS, *_IMAGES)
    environment = {name: f"${{{name}:-}}" for name in names}
    question = json.dumps({"services": {"asked": {"image": "asked", "environment": environment}}})
    answer = output([*command(), "-f", "-", "config"], given=question)
    found = {name: _plain(text) for name, text in re.findall(r"^ +([A-Z_]+): (.*)$", answer.out, re.MULTILINE)}
    if answer.code != 0 or found.keys() != set(names):
        raise EngineError(f"Compose cannot read its files: {answer.said}{_way_out()}")
    return {name: value for name, value in found.items() if value}


def _way_out() -> str:
    """What to do where the folder's name is the likely reason: some versions of Compose take it for a part of a URL."""
    if "%" not in str(ROOT):
        return ""
    return (
        "\nThe name of this folder has a %, which this Compose may not be able to read: rename the folder, or go"
        " without containers: python3 start.py --start --engine native"
    )


def _plain(text: str) -> str:
    """A value that YAML may have put in quotes. One that needs more of YAML's rules is no value of these settings."""
    return text[1:-1] if text[:1] in ("'", '"') else text


def missing_image() -> str | None:
    """The first base image that is neither here nor can be pulled; None when all can be had."""
    given = asked()
    for setting, default in _IMAGES.items():
        image = given.get(setting, default)
        if output(["docker", "image", "inspect", image]).code == 0:
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
