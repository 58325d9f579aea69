"""What the native engine runs here, and with which settings: decided once, before anything starts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine import rabbitmq
from engine.errors import EngineError
from engine.examples import dotenv
from engine.limits import WORKERS_DEFAULT
from engine.state import PROJECT, ROOT, Places, load_secrets

DATABASE = "ml_service"
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{30,}")
"""A Telegram bot's token; a placeholder in a copied .env.example is none."""

Queue = Literal["rabbitmq", "postgres"]


@dataclass(frozen=True, slots=True)
class Commands:
    """The programs' command lines; tests put small ones in their place."""

    migrate: tuple[str, ...] = (sys.executable, "-m", "ml_service.cli", "migrate")
    app: tuple[str, ...] = (sys.executable, "-m", "services.app.main")
    worker: tuple[str, ...] = (sys.executable, "-m", "services.ml_worker.worker")
    bot: tuple[str, ...] = (sys.executable, "-m", "services.bot.bot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All decisions of one start."""

    places: Places = PROJECT
    cwd: Path = ROOT
    workers: int = WORKERS_DEFAULT
    app_processes: int = 1
    host: str = "0.0.0.0"  # noqa: S104 - the printed address is the one that others may reach
    port: int | None = None
    queue: Queue = "postgres"
    mode: str = "demo"
    database_url: str | None = None
    amqp_url: str | None = None
    has_bot: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)

    @property
    def own_postgres(self) -> bool:
        """Whether PostgreSQL is ours to run: DATABASE_URL names another one otherwise."""
        return self.database_url is None

    @property
    def own_rabbitmq(self) -> bool:
        """Whether a RabbitMQ node is ours to run: AMQP_URL names another one otherwise."""
        return self.queue == "rabbitmq" and self.amqp_url is None

    def environment(self) -> dict[str, str]:
        """The settings that all programs share, over what the caller's terminal has."""
        dropped = {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "AMQP_URL", "DATABASE_URL", "PORT"}
        dropped |= {"PYTHONDONTWRITEBYTECODE", "WORKER_NAME"}
        env = {name: value for name, value in os.environ.items() if name not in dropped}
        env |= {
            "MODE": self.mode,
            "QUEUE_BACKEND": self.queue,
            "JWT_SECRET": self.secrets.get("jwt_secret", ""),
            "PYTHONUNBUFFERED": "1",
        }
        env.setdefault("LOG_FORMAT", "json")
        return env


def choose_queue(asked: str | None) -> Queue:
    """The queue backend: asked for, or named by the environment, or RabbitMQ where one is installed.

    Raises:
        EngineError: RabbitMQ is asked for and there is none.
    """
    wanted = asked or os.environ.get("QUEUE_BACKEND") or ("rabbitmq" if os.environ.get("AMQP_URL") else None)
    if wanted is None:
        return "rabbitmq" if rabbitmq.available() else "postgres"
    if wanted == "postgres":
        return "postgres"
    if wanted != "rabbitmq":
        raise EngineError(f"QUEUE_BACKEND is {wanted!r}; it can be rabbitmq or postgres.")
    if not os.environ.get("AMQP_URL") and not rabbitmq.available():
        raise EngineError("No RabbitMQ here: install rabbitmq-server, set AMQP_URL, or use --queue postgres.")
    return "rabbitmq"


def cores() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def make_plan(*, workers: int | None, port: int | None, queue: str | None, places: Places = PROJECT) -> Plan:
    """Decide everything from the command line, the environment and the optional .env files.

    Raises:
        EngineError: a setting is wrong; the message names it.
    """
    app_env = {**dotenv(ROOT / "services/app/.env"), **os.environ}
    bot_env = {**dotenv(ROOT / "services/bot/.env"), **os.environ}
    processes = app_env.get("APP_PROCESSES") or str(min(2, cores()))
    if not processes.isdigit() or int(processes) < 1:
        raise EngineError(f"APP_PROCESSES is {processes!r}; it must be a number of at least 1.")
    places.make()
    kept = load_secrets(places)
    return Plan(
        places=places,
        workers=workers or WORKERS_DEFAULT,
        app_processes=int(processes),
        host=os.environ.get("HOST") or "0.0.0.0",  # noqa: S104 - as above
        port=port,
        queue=choose_queue(queue),
        mode=app_env.get("MODE") or "demo",
        database_url=os.environ.get("DATABASE_URL") or None,
        amqp_url=os.environ.get("AMQP_URL") or None,
        has_bot=(ROOT / "services/bot/bot.py").exists() and bool(TOKEN.fullmatch(bot_env.get("TELEGRAM_TOKEN", ""))),
        secrets={**kept, "jwt_secret": app_env.get("JWT_SECRET") or kept["jwt_secret"]},
    )
