"""The docker engine: the same commands, done by `docker compose` on this folder's docker-compose.yaml.

Standard library only, for it needs no environment of Python packages on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.command_line import MODEL_FOLDER_COMMANDS, MODEL_TRIALS
from engine.common import output, ports
from engine.common.errors import EngineError
from engine.common.examples import copy_examples
from engine.common.log_lines import formatter
from engine.common.output import NOTHING_ASKED, say, tell
from engine.common.state import PROJECT, ROOT, read_engine, write_json
from engine.common.version import change_note, fingerprint
from engine.docker import backups, compose, containers, model_looks, settings
from engine.docker.containers import Container

_HEALTHY_S = 330
"""A little more than the containers' health checks allow for a start."""
_INSIDE_S = 60
"""For a command that starts a Python in a container."""
_CRASHES_MAX = 3
_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - as Docker takes them
_MOUNTED = ("services/nginx", "services/app/web", "models")
_MAY_BE_CLOSED = {"__pycache__", "certificates"}


def is_running() -> bool:
    """Whether containers of this folder run."""
    if shutil.which("docker") is None or not compose.FILE.exists():
        return False
    try:
        return any(one.is_up for one in containers.of(ROOT))
    except EngineError:  # Docker may be installed and not be meant for this user, who has the native engine
        return False


def _check_readable() -> None:
    """What containers are mounted has to be readable by users of their own.

    Raises:
        EngineError: it is not; the message has the command that makes it so.
    """
    for folder in _MOUNTED:
        for path in filter(Path.exists, [ROOT / folder, *(ROOT / folder).rglob("*")]):
            needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
            if not _MAY_BE_CLOSED & set(path.parts) and path.stat().st_mode & needed != needed:
                raise EngineError(
                    f"{path.relative_to(ROOT)} cannot be read by the containers' users (umask 077?): "
                    f"chmod -R a+rX {' '.join(_MOUNTED)}"
                )


def start(options: argparse.Namespace) -> int:
    """Start and show the way to healthy; scale, or say that it runs, when it does.

    Raises:
        EngineError: it cannot start; the message says why.
    """
    if options.pool:
        raise EngineError(
            "With containers a pool is a service of its own: docker-compose.pools.yaml (docs/models.md, Pools)."
        )
    if options.queue == "postgres":
        raise EngineError("The docker engine's queue is RabbitMQ. For --queue postgres add --engine native.")
    PROJECT.make()
    running = [one for one in containers.of(ROOT) if one.is_up]
    wanted = settings.wanted(options, running)
    if running and not options.restart:
        return _already_running(options, wanted, running)
    _check_readable()
    published = containers.published(running)
    if wanted["port"] is None:
        with _listen(wanted) as listener:
            wanted["port"] = int(listener.getsockname()[1])
    elif (running or options.port) and (published is None or wanted["port"] != published[1]):
        _listen(wanted).close()  # is it free? raises in words where not
    for name in copy_examples():
        tell(f"made {name} from its example")
    record = _record(wanted, "starting")
    # Before anything is stopped: what runs serves meanwhile, and goes on where this fails.
    tell("  building the images (the first time this downloads some 500 MB)")
    compose.run("build", environment=settings.environment(wanted), shown=compose.build_step)
    if running:
        stop()
    write_json(PROJECT.engine_file, record)
    tell("  starting the containers")
    if options.foreground:
        env = settings.environment(wanted)
        return subprocess.run([*compose.command(), "up"], cwd=ROOT, env=env, check=False).returncode
    _up(["-d", "--no-build"], wanted)
    return _started(wanted)


def _listen(wanted: Mapping[str, Any]) -> socket.socket:
    """Take the address that is wanted, or one of the usual ports of it; raises EngineError."""
    return ports.listen(wanted["host"] or "0.0.0.0", wanted["port"])  # noqa: S104 - that others may reach


def _record(wanted: Mapping[str, Any], state: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    code = read_engine(PROJECT).get("code") if state == "started" else fingerprint()
    given = {name: value for name, value in wanted.items() if value is not None}
    return {"engine": "docker", "queue": "rabbitmq", "state": state, "started_at": now, "code": code, **given}


def _started(wanted: Mapping[str, Any]) -> int:
    status = collect()
    if status is None:
        raise EngineError("The containers ended again. See: python3 start.py --logs")
    write_json(PROJECT.engine_file, _record({**wanted, "mode": status["mode"]}, "started"))
    ui = compose.asked().get("RABBITMQ_UI_PORT") or "15672"
    login = ", guest/guest" if status["mode"] == "demo" else ""
    more = [f"  RabbitMQ http://localhost:{ui} (on this machine only{login})"]
    if wanted["host"] not in _EVERYWHERE:
        more.append(f"  Reached  at {wanted['host']} only (HTTP_PORT or HOST name another address)")
    output.summary(status, more)
    return 0


def _raise_why_a_one_shot_failed(there: Sequence[Container]) -> None:
    for one in there:
        if one.is_one_shot and one.exit_code:
            said = compose.output(["docker", "logs", "--tail", "3", one.id]).said
            raise EngineError(f"{one.name} failed. It says: {said}") from None


def _raise_why_one_crashes(there: Sequence[Container]) -> None:
    for one in there:
        if one.restarts >= _CRASHES_MAX and not one.is_well:
            said = compose.output(["docker", "logs", "--tail", str(compose.LINES_MAX), one.id]).said
            raise EngineError(f"{one.name} ends again and again. It says:\n{said}")


def _already_running(options: argparse.Namespace, wanted: dict[str, Any], running: Sequence[Container]) -> int:
    host, port = containers.published(running) or (wanted["host"], wanted["port"])
    if wanted["port"] != port:
        raise EngineError(
            f"It runs with port {port}. To change that: start.py --stop, then --start --port {wanted['port']}."
        )
    if wanted["host"] != host and not {wanted["host"], host} <= _EVERYWHERE:
        place = "all addresses" if host in _EVERYWHERE else host
        raise EngineError(f"It runs at {place}, not at {wanted['host']}. To change that: start.py --restart.")
    mode = read_engine(PROJECT).get("mode")
    if wanted["mode"] and mode and wanted["mode"] != mode:
        raise EngineError(f"It runs with mode {mode}, not {wanted['mode']}. To change that: start.py --restart.")
    workers = len([one for one in running if one.service == "ml-worker"])
    if options.workers and options.workers != workers:
        say(f"It is running; going from {workers} to {options.workers} workers.")
        _up(["-d", "--no-build", "--no-recreate", "--no-deps", "ml-worker"], wanted)  # and nothing else changes
        return _started(wanted)
    if all(one.is_well for one in running):
        say("It is already running.")
        if note := change_note(read_engine(PROJECT).get("code")):
            say(note)
        wanted["workers"] = workers
        return _started(wanted)
    say("It is starting; waiting for it.")
    wanted["workers"] = workers or wanted["workers"]
    _up(["-d", "--no-build", "--no-recreate"], wanted)
    return _started(wanted)


def _up(arguments: Sequence[str], wanted: Mapping[str, Any]) -> None:
    """Bring the containers up and name each as it becomes healthy; raises EngineError."""
    told: set[str] = set()
    there: list[Container] = []

    def look() -> list[Container]:
        nonlocal there
        with contextlib.suppress(EngineError):  # Docker can be too busy to answer while it starts them
            there = containers.of(ROOT)
        for one in there:
            if one.is_well and one.is_up and one.name not in told:
                told.add(one.name)
                tell(f"  {one.name} is healthy")
        return there

    scale = ["--scale", f"ml-worker={wanted['workers']}"] if wanted.get("workers") else []
    try:
        compose.run("up", *scale, *arguments, environment=settings.environment(wanted), meanwhile=look)
    except EngineError:
        _raise_why_a_one_shot_failed(look())
        raise
    end = time.monotonic() + _HEALTHY_S
    while not all(one.is_well for one in look()):
        _raise_why_one_crashes(there)
        if time.monotonic() > end:
            ill = ", ".join(one.name for one in there if not one.is_well)
            raise EngineError(f"Not healthy after {_HEALTHY_S} s: {ill}. See: python3 start.py --logs")
        time.sleep(compose.POLL_S)


def stop() -> int:
    """Stop and remove the containers; the volumes stay.

    Raises:
        EngineError: it is not known whether they run, or they cannot be stopped.
    """
    if not containers.of(ROOT):
        say("Nothing runs.")
        return 0
    if (reason := compose.why_not()) is not None:
        raise EngineError(f"The containers cannot be stopped: {reason}")
    tell("  stopping the containers; workers finish what they have begun")
    PROJECT.make()
    compose.run("down", environment=os.environ)
    write_json(PROJECT.engine_file, {**read_engine(PROJECT), "engine": "docker", "state": "stopped"})
    tell("Stopped. The data stay in Docker's volumes (docker compose down -v would delete them).")
    return 0


def collect() -> dict[str, Any] | None:
    """Everything about the containers as one value, in the native engine's form; None when none runs.

    Raises:
        EngineError: Docker does not answer.
    """
    there = [one for one in containers.of(ROOT) if not one.is_one_shot]
    if not any(one.is_up for one in there):
        return None
    known = _inside(there)
    ids = {worker.get("host"): worker.get("id") for worker in known.get("workers", [])}
    processes = [one.describe(ids.get(one.id[:12])) for one in there]
    workers = [one for one in there if one.service == "ml-worker"]
    host, port = containers.published(there) or ("", None)
    return {
        "engine": "docker",
        "address": output.address(host or "0.0.0.0", port or 80),  # noqa: S104 - as it is printed
        "state": "healthy" if all(one.is_up and one.is_well for one in there) else "degraded",
        "uptime_s": max((one.uptime_s or 0 for one in there), default=0),
        "host": host or "0.0.0.0",  # noqa: S104 - as it is
        "port": port,
        "queue": "rabbitmq",
        "mode": known.get("mode") or read_engine(PROJECT).get("mode") or "demo",
        "workers_wanted": len(workers),
        "workers_ready": sum(one.is_up and one.is_well for one in workers),
        "notes": [note] if (note := change_note(read_engine(PROJECT).get("code"))) else [],
        "processes": processes,
        "inside": known,
    }


def _inside(there: Sequence[Container]) -> dict[str, Any]:
    for one in there:
        if one.service == "app" and one.is_up:
            answer = compose.output(
                ["docker", "exec", one.id, "python", "-m", "ml_service.cli", "status", "--json"], _INSIDE_S
            )
            try:
                value = json.loads(answer.out)
            except ValueError:
                return {"error": answer.said[:200] or f"exit code {answer.code}"}
            return value if isinstance(value, dict) else {"error": "it answered with no object"}
    return {"error": "no app runs"}


def status(*, as_json: bool) -> int:
    """Show the containers; exit code 0 when healthy, 1 when not quite, 3 when nothing runs or that is not known."""
    stopped: dict[str, Any] = {"state": "stopped"}
    said = "Not running. Start it with: python3 start.py --start"
    try:
        seen = collect()
    except EngineError as error:
        seen, stopped, said = None, {"state": "unknown", "error": str(error)}, str(error)
    if seen is not None:
        return output.show(seen, as_json=as_json)
    say(json.dumps({**stopped, "last": read_engine(PROJECT)}) if as_json else said)
    return output.EXIT_NOT_RUNNING


def logs(options: argparse.Namespace) -> int:
    """Show the containers' logs; ``service`` as the native engine names it: app, worker, worker-2 …

    Raises:
        EngineError: there is no such service, or Docker does not answer.
    """
    service = options.logs or None
    more = ["--tail", str(options.tail), *(["--follow"] if options.follow else [])]
    there = containers.of(ROOT)
    if service is None:
        return _show_lines([*compose.command(), "logs", "--no-color", *more], options.level)
    for one in there:
        if one.name == service and service != one.short_service:
            return _show_lines(["docker", "logs", *more, one.id], options.level)
    chosen = next((one.service for one in there if service in (one.service, one.short_service)), None)
    if chosen is None:
        names = ", ".join(sorted({one.short_service for one in there}))
        raise EngineError(f"No log of {service!r}. There are: {names}." if names else "There are no logs yet.")
    return _show_lines([*compose.command(), "logs", "--no-color", *more, chosen], options.level)


def _show_lines(command: Sequence[str], level: str | None) -> int:
    formatted = formatter(level)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for data in process.stdout or ():
            line = data.decode(errors="replace").rstrip("\r\n")
            label, bar, rest = line.partition(" | ")
            label, rest = (f"{label} | ", rest) if bar and " " not in label.rstrip() else ("", line)
            if (shown := formatted(rest)) is not None:
                say(label + shown)
    return process.returncode


def _show(command: Sequence[str]) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def cli(arguments: Sequence[str]) -> int:
    """Run the `ml-service` command in an app's container; a backup is the database server's own business.

    Raises:
        EngineError: no app runs, or that is not known.
    """
    there = [one for one in containers.of(ROOT) if one.is_up]
    app = next((one for one in there if one.service == "app"), None)
    is_trial = list(arguments[:2]) in [["models", one] for one in ("manifest", *MODEL_TRIALS)]
    if app is None and ("--help" in arguments or not arguments or is_trial):
        service = "ml-worker" if arguments and arguments[0] == "models" else "app"
        one_off = [*compose.command(), "run", "--rm", "--no-deps", "-T", service]
        return _show([*one_off, "python", "-m", "ml_service.cli", *arguments])
    if app is None:
        raise EngineError("It does not run; the command needs its database. Start it: python3 start.py --start")
    if arguments and arguments[0] in ("backup", "restore") and "--help" not in arguments:
        server = backups.server_of(app, there)
        if arguments[0] == "backup":
            return backups.back_up(server, arguments)
        return _restored(server, arguments)
    if list(arguments[:2]) in [["models", one] for one in MODEL_FOLDER_COMMANDS]:
        # The folders are where the workers are, whose database role may change nothing about models.
        app = next((one for one in there if one.service == "ml-worker"), app)
    if list(arguments[:2]) == ["models", "restart"] and "--help" not in arguments:
        arguments = model_looks.with_version(arguments, there)
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    return _show(["docker", "exec", *terminal, app.id, "python", "-m", "ml_service.cli", *arguments])


def _restored(server: Container, arguments: Sequence[str]) -> int:
    """Read a backup back while nothing else works on the database, then look at the books."""
    backups.check_restore(server, arguments)
    if "--check" in arguments:
        return 0
    writers = [one.id for one in containers.of(ROOT) if one.is_up and one.uses_database]
    tell("  stopping the app, the bot and the workers")
    try:
        _docker("stop", writers)
        code = backups.back_up(server, arguments)
        if code == 0:
            tell("  bringing it to the newest schema; if this is interrupted, run the same command again")
            compose.run("run", "--rm", "-T", "--no-deps", "migrate", environment=os.environ)
    finally:
        tell("  starting them again")
        _docker("start", writers)
    return code or cli(["audit"])


def _docker(verb: str, ids: Sequence[str]) -> None:
    """Stop or start these containers, whichever files their services stand in; raises EngineError."""
    done = compose.output(["docker", verb, *ids], None)  # a stop takes what DRAIN_TIMEOUT_S allows, and no longer
    if done.code != 0:
        raise EngineError(f"`docker {verb}` failed: {done.said}")


def run(options: argparse.Namespace) -> int:
    """Run the command that ``options`` name; raises EngineError."""
    if options.stop:
        return stop()
    if options.status:
        return status(as_json=options.json)
    if options.logs is not None:
        return logs(options)
    if options.cli is not None:
        return cli(options.cli)
    if not (options.start or options.restart or options.workers):
        raise EngineError(NOTHING_ASKED)
    return start(options)
