"""What the native engine runs here, and with which settings: decided once, before anything starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.common import pools as pools_of
from engine.common.errors import EngineError
from engine.common.limits import WORKERS_DEFAULT, WORKERS_MAX
from engine.common.output import PRODUCTION_DATA
from engine.common.pools import Pool
from engine.common.state import PROJECT, ROOT, Places, load_secrets, read_engine
from engine.native import environment, model_environments, rabbitmq
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.engine import EngineSettings, PublishedAddress
from ml_service.platform.settings.files import SettingsError
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import AnySettings, load, unknown_settings

DATABASE = "ml_service"

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
    """All decisions of one start.

    Attributes:
        bot_problem: Why the bot rests, where it does.
        queue_note: Why the queue is PostgreSQL, where nobody asked for it.
        notes: What the person at the terminal should know about the settings.
    """

    places: Places = PROJECT
    cwd: Path = ROOT
    workers: int = WORKERS_DEFAULT
    pools: tuple[Pool, ...] = ()
    app_processes: int = 1
    host: str = "0.0.0.0"  # noqa: S104 - the printed address is the one that others may reach
    port: int | None = None
    queue: Queue = "postgres"
    mode: str = "demo"
    database_url: str | None = None
    amqp_url: str | None = None
    has_bot: bool = False
    bot_problem: str = ""
    queue_note: str = ""
    notes: tuple[str, ...] = ()
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

    def own_settings(self, role: str | None) -> dict[str, str]:
        """What the bot's or the workers' files say, and the environment; the app's settings are the plan's own.

        Raises:
            EngineError: a file cannot be read.
        """
        return environment.collected(environment.SERVICES[role], self.cwd) if role in ("bot", "worker") else {}

    def environment(self, role: str | None) -> dict[str, str]:
        """The environment of one of the programs, without the addresses of the nodes."""
        env = environment.for_service(role, self.cwd, os.environ)
        env |= {"MODE": self.mode, "QUEUE_BACKEND": self.queue, "SETTINGS_FOLDER": str(self.cwd)}
        if role == "worker" and "MODEL_ENVIRONMENTS_FOLDER" not in self.own_settings(role):
            env["MODEL_ENVIRONMENTS_FOLDER"] = str(model_environments.folder())
        if role == "app":
            env["JWT_SECRET"] = self.secrets.get("jwt_secret", "")
        return env


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for, or else the settings; None where they leave it open."""

    workers: int | None
    host: str | None
    port: int | None
    queue: Queue | None
    mode: str | None


def _loaded(settings: type[AnySettings], places: Places, **decided: str) -> AnySettings:
    """A service's settings, with what the engine decides or generates for it; raises EngineError."""
    kept = load_secrets(places)
    generated = {"JWT_SECRET": kept["jwt_secret"]}
    if decided.get("QUEUE_BACKEND") == "rabbitmq":
        generated["AMQP_URL"] = f"amqp://ml_service:{kept['rabbitmq_password']}@{rabbitmq.LOOPBACK}/"
    try:
        return load(settings, folder=ROOT, environment={**os.environ, **decided}, generated=generated)
    except SettingsError as error:
        raise EngineError(str(error)) from None


def _collected(settings: type[CommonSettings] = EngineSettings) -> dict[str, str]:
    return environment.collected(settings, ROOT)


def read_wishes(*, workers: int | None, port: int | None, queue: str | None, places: Places = PROJECT) -> Wishes:
    """Read what is asked for.

    Raises:
        EngineError: a setting is wrong; the message names it.
    """
    values = _collected()
    asked = (queue or values.get("QUEUE_BACKEND") or ("rabbitmq" if "AMQP_URL" in values else "")).lower()
    settings = _loaded(EngineSettings, places, QUEUE_BACKEND=asked or "postgres")
    if settings.ml_workers and settings.ml_workers > WORKERS_MAX:
        raise EngineError(f"ML_WORKERS is {settings.ml_workers}; it can be 1 to {WORKERS_MAX}.")
    published = settings.http_port or PublishedAddress("", 0)
    return Wishes(
        workers=workers or settings.ml_workers,
        host=settings.host if "HOST" in values else published.host or None,
        port=port or published.port or (settings.port if "PORT" in values else None),
        queue=settings.queue_backend if asked else None,
        mode=settings.mode if "MODE" in values else None,
    )


def choose_queue(asked: Queue | None, *, amqp_url: str | None, last: str | None) -> Queue:
    """The queue backend: the one asked for, the last start's, or RabbitMQ where one is installed.

    Raises:
        EngineError: it is RabbitMQ and there is none.
    """
    if asked is None and last not in ("rabbitmq", "postgres"):
        return "rabbitmq" if rabbitmq.available() else "postgres"
    queue = asked or last
    if queue == "postgres":
        return "postgres"
    if not amqp_url and not rabbitmq.available():
        raise EngineError("No RabbitMQ here: install rabbitmq-server, set AMQP_URL, or use --queue postgres.")
    return "rabbitmq"


def _queue_note(asked: Queue | None, chosen: Queue) -> str:
    if asked is not None or chosen == "rabbitmq":
        return ""
    if rabbitmq.available():
        return "as in the last start; --restart --queue rabbitmq uses the RabbitMQ that is installed"
    return "no RabbitMQ is installed"


def choose_mode(asked: str | None, last: str | None) -> str:
    """The mode: the one asked for, else the last start's.

    Raises:
        EngineError: the demo is asked for where production has run.
    """
    if last == "production" and asked == "demo":
        raise EngineError(PRODUCTION_DATA)
    return asked or last or "demo"


def cores() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def app_processes_default() -> int:
    """How many processes of the app run here unless somebody says so: two, or one on fewer than four cores.

    Requests that come together share their costs, in each process by itself, so on two cores a second one costs more
    than it brings. docs/decisions/0025-one-app-process-on-two-cores.md
    """
    return max(1, min(2, cores() // 2))


def make_plan(
    *,
    workers: int | None,
    port: int | None,
    queue: str | None,
    pools: Sequence[Pool] = (),
    places: Places = PROJECT,
) -> Plan:
    """Decide everything from the command line, the environment, the optional .env files, and the last start.

    Raises:
        EngineError: a setting is wrong; the message names it.
    """
    places.make()
    asked = read_wishes(workers=workers, port=port, queue=queue, places=places)
    last = remembered(places)
    values = _collected()
    chosen = choose_queue(asked.queue, amqp_url=values.get("AMQP_URL"), last=last.get("queue"))
    mode = choose_mode(asked.mode, last.get("mode"))
    decided = {"MODE": mode, "QUEUE_BACKEND": chosen}
    settings = _loaded(EngineSettings, places, **decided)
    _loaded(WorkerSettings, places, **decided)
    bot = _loaded(BotSettings, places, **decided)
    return Plan(
        places=places,
        workers=asked.workers or last.get("workers") or WORKERS_DEFAULT,
        pools=pools_of.merged(pools_of.of_last_start(last.get("pools", [])), pools),
        app_processes=settings.app_processes or app_processes_default(),
        host=asked.host or str(last.get("host") or settings.host),
        port=asked.port or last.get("port"),
        queue=chosen,
        mode=mode,
        database_url=values.get("DATABASE_URL"),
        amqp_url=values.get("AMQP_URL") if chosen == "rabbitmq" else None,
        queue_note=_queue_note(asked.queue, chosen),
        has_bot=(ROOT / "services/bot/bot.py").exists() and bot.bot_token is not None,
        bot_problem=bot.token_problem,
        notes=tuple(unknown_settings(ROOT)),
        secrets={**load_secrets(places), "jwt_secret": settings.jwt_secret.get_secret_value()},
    )


def named_models(pools: Sequence[Pool], places: Places = PROJECT) -> set[str]:
    """The models that the workers' settings or a pool of this or the last start name.

    Raises:
        EngineError: a file of settings, or a pool, is wrong.
    """
    settings = _collected(WorkerSettings)
    names, left_out = (_names(settings.get(name, "")) for name in ("MODELS", "MODELS_LEFT_OUT"))
    merged = pools_of.merged(pools_of.of_last_start(remembered(places).get("pools", [])), pools)
    return (names - left_out).union(*(pool.models for pool in merged))


def _names(text: str) -> set[str]:
    return {name.strip().removeprefix("+") for name in text.split(",") if name.strip()}


def remembered(places: Places = PROJECT) -> dict[str, Any]:
    """What the last start of the native engine chose: workers, pools, host, port, queue, mode; or nothing."""
    last = read_engine(places)
    return last if last.get("engine") == "native" else {}
