"""The containers of this folder's compose project, as Docker tells of them. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.common.errors import EngineError
from engine.docker import compose

ONE_SHOTS = ("secrets", "migrate", "worker-image")
_SINGLE = (*ONE_SHOTS, "postgres", "rabbitmq", "bot", "nginx")
NGINX_PORT = "8080/tcp"
"""nginx's, inside of its container."""
_STATES = {"restarting": "waiting", "paused": "waiting", "created": "starting"}


@dataclass(frozen=True, slots=True)
class Container:
    """One container. ``name`` is as the native engine names its processes: ``app-1``, ``worker-2``, ``postgres``."""

    id: str
    name: str
    service: str
    state: str
    health: str | None
    exit_code: int
    pid: int
    restarts: int
    started_at: datetime | None
    published: tuple[str, int] | None = None
    """The address, empty for all of this machine, and the port at which nginx is reached."""

    @property
    def short_service(self) -> str:
        """The service as a person calls it."""
        return self.service.removeprefix("ml-")

    @property
    def is_one_shot(self) -> bool:
        """Whether it is meant to end."""
        return self.service in ONE_SHOTS

    @property
    def uses_database(self) -> bool:
        """Whether it works on the database, as the app, the bot and the workers of every pool do."""
        return not self.is_one_shot and self.service not in ("postgres", "rabbitmq", "nginx")

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.state in ("running", "restarting", "paused")

    @property
    def is_well(self) -> bool:
        """Whether it does its work, or has done it."""
        if self.is_one_shot:
            return self.state == "exited" and self.exit_code == 0
        return self.state == "running" and self.health in (None, "healthy")

    @property
    def uptime_s(self) -> float | None:
        """Seconds since it was started; None when it does not run."""
        return (datetime.now(UTC) - self.started_at).total_seconds() if self.is_up and self.started_at else None

    def describe(self, worker_id: str | None) -> dict[str, Any]:
        """For status, in the native engine's form."""
        state = _STATES.get(self.state, "stopped")
        if self.state == "running":
            state = "ready" if self.is_well else (self.health or "starting")
        return {
            "name": self.name,
            "state": state,
            "pid": self.pid or None,
            "uptime_s": round(self.uptime_s, 1) if self.uptime_s is not None else None,
            "restarts": self.restarts,
            "status": None,
            "last_exit": "" if self.is_up else f"ended with {self.exit_code}",
            "worker_id": worker_id,
        }


def of(folder: Path) -> list[Container]:
    """The containers that Compose, of either version, made in ``folder``.

    Raises:
        EngineError: Docker does not answer; none here means that there is none.
    """
    label = f"label=com.docker.compose.project.working_dir={folder}"
    listed = compose.output(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", label])
    if listed.code != 0:
        raise EngineError(f"The containers cannot be seen: {compose.why_not() or listed.said}")
    ids = listed.out.split()
    if not ids:
        return []
    described = compose.output(["docker", "inspect", *ids])  # it fails where one has gone meanwhile, and has the others
    try:
        found = json.loads(described.out)
    except ValueError:
        raise EngineError(f"The containers cannot be seen: {described.said}") from None
    made = [_read(one) for one in found if one["Config"]["Labels"].get("com.docker.compose.oneoff") != "True"]
    return sorted(made, key=lambda one: (one.service != "postgres", one.service != "rabbitmq", one.name))


def _read(value: dict[str, Any]) -> Container:
    labels, state = value["Config"]["Labels"], value["State"]
    service = labels["com.docker.compose.service"]
    number = labels.get("com.docker.compose.container-number", "1")
    bindings = (value["HostConfig"].get("PortBindings") or {}).get(NGINX_PORT) or []
    started = re.sub(r"(\.\d{6})\d*", r"\1", state["StartedAt"]).replace("Z", "+00:00")
    return Container(
        id=value["Id"],
        name=service if service in _SINGLE else f"{service.removeprefix('ml-')}-{number}",
        service=service,
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status"),
        exit_code=state["ExitCode"],
        pid=state["Pid"],
        restarts=value["RestartCount"],
        started_at=None if started.startswith("0001") else datetime.fromisoformat(started),
        published=next(
            ((one.get("HostIp", ""), int(one["HostPort"])) for one in bindings if one.get("HostPort")), None
        ),
    )


def published(containers: Iterable[Container]) -> tuple[str, int] | None:
    """The address, empty for all of this machine, and the port at which nginx is reached; None where it is not."""
    return next((one.published for one in containers if one.service == "nginx" and one.published), None)
