"""Which engine a command is for. Standard library only: it is asked before there is an environment."""

from __future__ import annotations

import argparse
from typing import Literal

from engine.common.errors import EngineError
from engine.common.output import say
from engine.common.state import PROJECT, lock_holder, read_engine
from engine.docker import commands as docker
from engine.docker import compose

Engine = Literal["docker", "native"]


def of(options: argparse.Namespace) -> Engine:
    """The engine that the command line is about; raises EngineError where that cannot be."""
    if options.start or options.restart or options.workers:
        return to_start(options.engine, restart=options.restart)
    return recorded()


def _running() -> Engine | None:
    if lock_holder(PROJECT) is not None:
        return "native"
    return "docker" if docker.is_running() else None


def _last() -> Engine | None:
    last = read_engine(PROJECT).get("engine")
    return last if last in ("docker", "native") else None


def to_start(asked: Engine | None, *, restart: bool = False) -> Engine:
    """The engine to start: what runs, else what is asked for, else the last start's, else Docker where it can.

    Raises:
        EngineError: another engine runs than the one asked for, or it cannot be had here.
    """
    running = _running()
    if running and asked and asked != running:
        raise EngineError(f"It runs on the {running} engine. To change that: start.py --stop, then start again.")
    last = _last()
    chosen = running or asked or last
    if chosen == "native" or (running and not restart):
        if last == "docker" and not running:
            say("The data of the docker engine stay in Docker's volumes; the native engine has its own, in var/.")
        return chosen or "native"
    reason = compose.why_not()
    if reason is None and (image := compose.missing_image()):
        reason = f"its image {image} is not here and cannot be pulled."
        if chosen is None:
            say(f"Docker answers, but {reason} Going on without containers.")
    if reason is None:
        if last == "native" and not running:
            say("The data of the native engine stay in var/; the docker engine has its own, in Docker's volumes.")
        return "docker"
    if chosen:
        raise EngineError(f"The docker engine cannot be used: {reason} Or use --engine native.")
    return "native"


def recorded() -> Engine:
    """The engine that was started last; `--stop`, `--status` and `--logs` follow it, whatever answers today.

    Containers that somebody started by `docker compose up` count where no other start is recorded.
    """
    if lock_holder(PROJECT) is not None:
        return "native"
    last = _last()
    return "docker" if last == "docker" or (last is None and docker.is_running()) else "native"
