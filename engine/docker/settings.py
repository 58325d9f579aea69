"""What the containers are started with: as the command line and the settings ask, else as in the last start."""

from __future__ import annotations

import argparse
import ipaddress
import os
from collections.abc import Mapping, Sequence
from typing import Any

from engine.common.errors import EngineError
from engine.common.limits import PORT_MAX
from engine.common.output import PRODUCTION_DATA
from engine.common.state import PROJECT, read_engine
from engine.docker import compose, containers
from engine.docker.containers import Container
from ml_service.platform.numbers import is_whole

_MODES = ("demo", "production")


def wanted(options: argparse.Namespace, running: Sequence[Container]) -> dict[str, Any]:
    """Address, number of workers and mode: as asked, else as it runs or ran last, else as the compose file has it.

    Raises:
        EngineError: one of them cannot be; the message says which.
    """
    last = read_engine(PROJECT)
    last = last if last.get("engine") == "docker" else {}
    given = compose.asked()
    mode = _mode(given.get("MODE"), last.get("mode"))
    known_host, known_port = containers.published(running) or (last.get("host"), last.get("port"))
    asked_host, _, asked_port = given.get("HTTP_PORT", "").rpartition(":")
    port = options.port or asked_port or known_port
    workers = options.workers or given.get("ML_WORKERS") or last.get("workers")
    if not all(is_whole(str(one)) for one in (port, workers) if one) or int(port or 0) not in range(PORT_MAX + 1):
        raise EngineError(
            f"HTTP_PORT is {port!r} and ML_WORKERS is {workers!r}; both are numbers, the port of at most {PORT_MAX}."
        )
    # What was closed to others stays so until settings name another address, wherever they stand.
    host = _address(asked_host or given.get("HOST") or known_host or "")
    return {"host": host, "port": int(port or 0) or None, "workers": int(workers or 0) or None, "mode": mode}


def _address(host: object) -> str:
    """The host as Docker takes it, without brackets; empty for all addresses of this machine.

    Raises:
        EngineError: it is no IP address. One that is not understood, also of the last start, opens nothing.
    """
    try:
        return str(ipaddress.ip_address(str(host).strip("[]"))) if host else ""
    except ValueError:
        raise EngineError(
            f'The service cannot be published at {host!r}. HTTP_PORT (before the port), HOST and "host" in '
            f"{PROJECT.engine_file} name an IP address."
        ) from None


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
        host = f"[{wanted['host']}]" if ":" in wanted["host"] else wanted["host"]
        env["HTTP_PORT"] = f"{host}:{wanted['port']}" if host else str(wanted["port"])
    return env
