"""Which engine a command is for. Standard library only: it is asked before there is an environment."""

from __future__ import annotations

import argparse
from typing import Literal

from engine import compose, docker
from engine.errors import EngineError
from engine.report import say
from engine.state import PROJECT, lock_holder, read_json

Engine = Literal["docker", "native"]


def of(options: argparse.Namespace) -> Engine:
    """The engine that the command line is about; raises EngineError where that cannot be."""
    return to_start(options.engine) if options.start or options.workers else recorded()


def to_start(asked: Engine | None) -> Engine:
    """The engine to start: what runs, else what is asked for, else Docker where it can, else native.

    Raises:
        EngineError: another engine runs than the one asked for, or it cannot be had here.
    """
    running: Engine | None = None
    if lock_holder(PROJECT) is not None:
        running = "native"
    elif docker.is_running():
        running = "docker"
    if running and asked and asked != running:
        raise EngineError(f"It runs on the {running} engine. To change that: start.py --stop, then start again.")
    if running or asked == "native":
        return running or "native"
    reason = compose.why_not()
    if reason is None and (image := compose.missing_image()):
        reason = f"its image {image} is not here and cannot be pulled."
        if asked is None:
            say(f"Docker answers, but {reason} Going on without containers.")
    if reason is None:
        return "docker"
    if asked:
        raise EngineError(f"The docker engine cannot be used: {reason} Or use --engine native.")
    return "native"


def recorded() -> Engine:
    """The engine that was started last; `--stop`, `--status` and `--logs` follow it, whatever answers today.

    Containers that somebody started by `docker compose up` count where no other start is recorded.
    """
    last = read_json(PROJECT.engine_file).get("engine")
    if lock_holder(PROJECT) is not None:
        return "native"
    return "docker" if last == "docker" or (last is None and docker.is_running()) else "native"
