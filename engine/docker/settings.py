"""What the containers are started with: as the command line and the settings ask, else as in the last start."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from engine.common.errors import EngineError
from engine.common.output import PRODUCTION_DATA
from engine.common.state import PROJECT, read_engine
from engine.docker import compose
from ml_service.platform.numbers import is_whole

_MODES = ("demo", "production")


def wanted(options: argparse.Namespace) -> dict[str, Any]:
    """Address, number of workers and mode: as asked, else as in the last start, else as the compose file has it.

    Raises:
        EngineError: one of them cannot be; the message says which.
    """
    last = read_engine(PROJECT)
    last = last if last.get("engine") == "docker" else {}
    given = compose.asked()
    mode = _mode(given.get("MODE"), last.get("mode"))
    host, _, asked_port = given.get("HTTP_PORT", "").rpartition(":")
    port = options.port or asked_port or last.get("port")
    workers = options.workers or given.get("ML_WORKERS") or last.get("workers")
    if not all(is_whole(str(one)) for one in (port, workers) if one):
        raise EngineError(f"HTTP_PORT is {port!r} and ML_WORKERS is {workers!r}; both are numbers.")
    numbers = {"port": int(port) if port else None, "workers": int(workers) if workers else None}
    return {**numbers, "host": host or given.get("HOST"), "mode": mode}


def _mode(asked: str | None, last: object) -> str | None:
    """The mode that is asked for; without one, production stays, and any other is as the services' settings have it.

    Raises:
        EngineError: there is no such mode, or the demo is asked for where production has run.
    """
    modes = [None if one is None else str(one).lower() for one in (asked, last)]
    for mode, place in zip(modes, ("MODE", f'"mode" in {PROJECT.engine_file}'), strict=True):
        if mode not in (None, *_MODES):  # of the last start, too: production must not become the demo in silence
            raise EngineError(f"{place} is {mode}; it can be {' or '.join(_MODES)}.")
    if modes == ["demo", "production"]:
        raise EngineError(PRODUCTION_DATA)
    return modes[0] or ("production" if modes[1] == "production" else None)


def environment(wanted: Mapping[str, Any]) -> dict[str, str]:
    """What the compose file is filled in with, over what the terminal has."""
    names = {"workers": "ML_WORKERS", "mode": "MODE"}
    env = {**os.environ, **{name: str(wanted[key]) for key, name in names.items() if wanted.get(key)}}
    if wanted.get("port"):
        env["HTTP_PORT"] = f"{wanted['host']}:{wanted['port']}" if wanted.get("host") else str(wanted["port"])
    return env
