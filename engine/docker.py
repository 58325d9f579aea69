"""The docker engine: the same commands, done by `docker compose` on this folder's docker-compose.yaml.

Standard library only, for it needs no environment of Python packages on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine import compose, containers, ports, report
from engine.containers import Container
from engine.errors import EngineError
from engine.examples import copy_examples, dotenv, open_for_containers
from engine.report import NOTHING_ASKED, say
from engine.state import PROJECT, ROOT, read_json, write_json

_HEALTHY_S = 240
_CRASHES_MAX = 3


def is_running() -> bool:
    """Whether containers of this folder run."""
    return (
        shutil.which("docker") is not None and compose.FILE.exists() and any(one.is_up for one in containers.of(ROOT))
    )


def _environment(wanted: Mapping[str, Any]) -> dict[str, str]:
    """What the compose file is filled in with, over what the terminal has."""
    names = {"port": "HTTP_PORT", "workers": "ML_WORKERS"}
    return {**os.environ, **{names[name]: str(value) for name, value in wanted.items() if name in names and value}}


def _wanted(options: argparse.Namespace) -> dict[str, Any]:
    """Port and number of workers: as asked, else as in the last start, else as the compose file has it."""
    last = read_json(PROJECT.engine_file)
    last = last if last.get("engine") == "docker" else {}
    given = {**dotenv(ROOT / ".env"), **os.environ}
    port = options.port or given.get("HTTP_PORT") or last.get("port")
    workers = options.workers or given.get("ML_WORKERS") or last.get("workers")
    return {"port": int(port) if port else None, "workers": int(workers) if workers else None}


def start(options: argparse.Namespace) -> int:
    """Start and show the way to healthy; scale, or say that it runs, when it does.

    Raises:
        EngineError: it cannot start; the message says why.
    """
    if options.queue == "postgres":
        raise EngineError("The docker engine's queue is RabbitMQ. For --queue postgres add --engine native.")
    PROJECT.make()
    wanted = _wanted(options)
    running = [one for one in containers.of(ROOT) if one.is_up]
    if running:
        return _already_running(options, wanted, running)
    for name in copy_examples(mode=0o644):  # read by a user of the container's own
        say(f"made {name} from its example")
    for name in open_for_containers():
        say(f"made {name} readable for the containers' user")
    if wanted["port"] is None:
        wanted["port"] = _free_port()
    elif options.port:
        ports.listen("0.0.0.0", wanted["port"]).close()  # noqa: S104 - is it free? raises in words where not
    write_json(PROJECT.engine_file, _record(wanted, "starting"))
    say("  building the images (the first time this downloads some 500 MB)")
    compose.run("build", environment=_environment(wanted), shown=compose.build_step)
    say("  starting the containers")
    if options.foreground:
        return subprocess.run([*compose.command(), "up"], cwd=ROOT, env=_environment(wanted), check=False).returncode
    _up(["-d", "--no-build"], wanted)
    return _started(wanted)


def _free_port() -> int:
    with ports.listen("0.0.0.0", None) as listener:  # noqa: S104 - that others may reach
        return int(listener.getsockname()[1])


def _record(wanted: Mapping[str, Any], state: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"engine": "docker", "queue": "rabbitmq", "state": state, "started_at": now, **wanted}


def _started(wanted: Mapping[str, Any]) -> int:
    write_json(PROJECT.engine_file, _record(wanted, "started"))
    status = collect(inside=False)
    if status is None:
        raise EngineError("The containers ended again. See: python3 start.py --logs")
    ui = os.environ.get("RABBITMQ_UI_PORT") or dotenv(ROOT / ".env").get("RABBITMQ_UI_PORT") or "15672"
    login = ", guest/guest" if status["mode"] == "demo" else ""
    report.summary(status, [f"  RabbitMQ http://localhost:{ui} (on this machine only{login})"])
    return 0


def _raise_why_a_one_shot_failed() -> None:
    for one in containers.of(ROOT):
        if one.is_one_shot and one.exit_code:
            said = compose.output(["docker", "logs", "--tail", "3", one.id])[1].strip()
            raise EngineError(f"{one.name} failed. It says: {said}") from None


def _raise_why_one_crashes() -> None:
    for one in containers.of(ROOT):
        if one.restarts >= _CRASHES_MAX and not one.is_well:
            said = compose.output(["docker", "logs", "--tail", str(compose.LINES_MAX), one.id])[1]
            raise EngineError(f"{one.name} ends again and again. It says:\n{said}")


def _already_running(options: argparse.Namespace, wanted: dict[str, Any], running: Sequence[Container]) -> int:
    port = containers.published_port(running)
    if options.port and port and options.port != port:
        raise EngineError(
            f"It runs with port {port}. To change that: start.py --stop, then --start --port {options.port}."
        )
    wanted["port"] = port or wanted["port"]
    workers = len([one for one in running if one.service == "ml-worker"])
    if options.workers and options.workers != workers:
        say(f"It is running; going from {workers} to {options.workers} workers.")
    elif all(one.is_well for one in running):
        say("It is already running.")
        wanted["workers"] = workers
        return _started(wanted)
    else:
        say("It is starting; waiting for it.")
        wanted["workers"] = workers or wanted["workers"]
    _up(["-d", "--no-build", "--no-recreate"], wanted)
    return _started(wanted)


def _up(arguments: Sequence[str], wanted: Mapping[str, Any]) -> None:
    """Bring the containers up and name each as it becomes healthy; raises EngineError."""
    told: set[str] = set()

    def tell() -> list[Container]:
        there = containers.of(ROOT)
        for one in there:
            if one.is_well and one.is_up and one.name not in told:
                told.add(one.name)
                say(f"  {one.name} is healthy")
        return there

    scale = ["--scale", f"ml-worker={wanted['workers']}"] if wanted.get("workers") else []
    try:
        compose.run("up", *arguments, *scale, environment=_environment(wanted), meanwhile=tell)
    except EngineError:
        _raise_why_a_one_shot_failed()
        raise
    end = time.monotonic() + _HEALTHY_S
    while not all(one.is_well for one in tell()):
        _raise_why_one_crashes()
        if time.monotonic() > end:
            ill = ", ".join(one.name for one in containers.of(ROOT) if not one.is_well)
            raise EngineError(f"Not healthy after {_HEALTHY_S} s: {ill}. See: python3 start.py --logs")
        time.sleep(compose.POLL_S)


def stop() -> int:
    """Stop and remove the containers; the volumes stay."""
    if not containers.of(ROOT):
        say("Nothing runs.")
        return 0
    if (reason := compose.why_not()) is not None:
        raise EngineError(f"The containers cannot be stopped: {reason}")
    say("  stopping the containers; workers finish what they have begun")
    PROJECT.make()
    compose.run("down", environment=os.environ)
    write_json(PROJECT.engine_file, {**read_json(PROJECT.engine_file), "engine": "docker", "state": "stopped"})
    say("Stopped. The data stay in Docker's volumes (docker compose down -v would delete them).")
    return 0


def collect(*, inside: bool = True) -> dict[str, Any] | None:
    """Everything about the containers as one value, in the native engine's form; None when none runs.

    Args:
        inside: Ask the service itself for its queue and its workers' ids, too.
    """
    there = [one for one in containers.of(ROOT) if not one.is_one_shot]
    if not any(one.is_up for one in there):
        return None
    known = _inside(there) if inside else {}
    ids = {worker.get("host"): worker.get("id") for worker in known.get("workers", [])}
    processes = [one.describe(ids.get(one.id[:12])) for one in there]
    workers = [one for one in there if one.service == "ml-worker"]
    return {
        "engine": "docker",
        "address": report.address("0.0.0.0", containers.published_port(there) or 80),  # noqa: S104 - as it is printed
        "state": "healthy" if all(one.is_up and one.is_well for one in there) else "degraded",
        "uptime_s": max((one.uptime_s or 0 for one in there), default=0),
        "host": "0.0.0.0",  # noqa: S104 - as it is
        "port": containers.published_port(there),
        "queue": "rabbitmq",
        "mode": _mode(),
        "workers_wanted": len(workers),
        "workers_ready": sum(one.is_up and one.is_well for one in workers),
        "notes": [],
        "processes": processes,
        "inside": known,
    }


def _mode() -> str:
    given = {**dotenv(ROOT / "services/app/.env"), **dotenv(ROOT / ".env"), **os.environ}
    return given.get("MODE") or "demo"


def _inside(there: Sequence[Container]) -> dict[str, Any]:
    for one in there:
        if one.service == "app" and one.is_up:
            code, said = compose.output(
                ["docker", "exec", one.id, "python", "-m", "ml_service.cli", "status", "--json"]
            )
            try:
                value = json.loads(said)
            except ValueError:
                return {"error": said.strip()[:200] or f"exit code {code}"}
            return value if isinstance(value, dict) else {"error": "it answered with no object"}
    return {"error": "no app runs"}


def status(*, as_json: bool) -> int:
    """Show the containers; exit code 0 when healthy, 1 when not quite, 3 when nothing runs."""
    seen = collect()
    if seen is not None:
        return report.show(seen, as_json=as_json)
    reason = compose.why_not()
    if as_json:
        say(json.dumps({"state": "stopped", "last": read_json(PROJECT.engine_file)}))
    else:
        say(f"Not known: {reason}" if reason else "Not running. Start it with: python3 start.py --start")
    return report.EXIT_NOT_RUNNING


def logs(service: str | None, *, follow: bool) -> int:
    """Show the containers' logs; ``service`` as the native engine names it: app, worker, worker-2 …

    Raises:
        EngineError: there is no such service.
    """
    follows = ["--follow"] if follow else []
    there = containers.of(ROOT)
    if service is None:
        return _show([*compose.command(), "logs", "--tail", "40", *follows])
    for one in there:
        if one.name == service and service != one.short_service:
            return _show(["docker", "logs", "--tail", "40", *follows, one.id])
    chosen = next((one.service for one in there if service in (one.service, one.short_service)), None)
    if chosen is None:
        names = ", ".join(sorted({one.short_service for one in there}))
        raise EngineError(f"No log of {service!r}. There are: {names}." if names else "There are no logs yet.")
    return _show([*compose.command(), "logs", "--tail", "40", *follows, chosen])


def _show(command: Sequence[str]) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def cli(arguments: Sequence[str]) -> int:
    """Run the `ml-service` command in an app's container; a backup is the database server's own business.

    Raises:
        EngineError: no app runs.
    """
    there = [one for one in containers.of(ROOT) if one.is_up]
    app = next((one for one in there if one.service == "app"), None)
    if app is None:
        raise EngineError("It does not run; the command needs its database. Start it: python3 start.py --start")
    if arguments and arguments[0] in ("backup", "restore") and "--help" not in arguments:
        server = next(one for one in there if one.service == "postgres")
        if arguments[0] == "backup":
            return containers.back_up(server, arguments)
        return _restored(server, arguments)
    if arguments and arguments[0] == "models":  # the models are where the workers are
        app = next((one for one in there if one.service == "ml-worker"), app)
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    return _show(["docker", "exec", *terminal, app.id, "python", "-m", "ml_service.cli", *arguments])


def _restored(server: Container, arguments: Sequence[str]) -> int:
    """Read a backup back while nothing else works on the database, then look at the books."""
    containers.check_restore(arguments)
    writers = ("app", "bot", "ml-worker")
    say("  stopping the app, the bot and the workers")
    compose.run("stop", *writers, environment=os.environ)
    try:
        code = containers.back_up(server, arguments)
    finally:
        say("  starting them again")
        compose.run("start", *writers, environment=os.environ)
    return code or cli(["audit"])


def run(options: argparse.Namespace) -> int:
    """Run the command that ``options`` name; raises EngineError."""
    if options.stop:
        return stop()
    if options.status:
        return status(as_json=options.json)
    if options.logs is not None:
        return logs(options.logs or None, follow=options.follow)
    if options.cli is not None:
        return cli(options.cli)
    if not (options.start or options.workers):
        raise EngineError(NOTHING_ASKED)
    return start(options)
