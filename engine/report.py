"""What both engines say to the person at the terminal, in the same words. Standard library only."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

EXIT_NOT_RUNNING = 3
"""As systemctl has it."""

NOTHING_ASKED = "Say what to do: --start, --stop, --status, --logs, --test, --doctor (see --help)."
_COLORS = {"ready": 32, "healthy": 32, "starting": 33, "waiting": 33, "stopping": 33, "degraded": 33, "stopped": 31}
_QUEUES = {"postgres": "PostgreSQL (no RabbitMQ asked for or found)", "rabbitmq": "RabbitMQ"}
_COLUMNS = ("process", "state", "pid", "uptime", "restarts", "says")
_NUMBERS = ("pid", "restarts")


def say(text: str) -> None:
    """One line to the person at the terminal, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def address(host: str, port: int) -> str:
    """The API's address as a person on this machine types it."""
    name = "localhost" if host in ("0.0.0.0", "127.0.0.1", "::", "::1") else host  # noqa: S104 - compared, not bound
    return f"http://{name}" + ("" if port == 80 else f":{port}")  # noqa: PLR2004 - http's own


def duration(seconds: float | None) -> str:
    """In the two greatest units ("5 h 3 min", "2 d 4 h"); a dash for None."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(status: Mapping[str, Any], more: Sequence[str] = ()) -> None:
    """What a start ends with; ``more`` are the engine's own lines."""
    base = status["address"]
    engine = f"  Engine   {status['engine']} · queue: {_QUEUES[status['queue']]} · "
    engine += f"workers: {status['workers_ready']} of {status['workers_wanted']} ready"
    if status["workers_ready"] < status["workers_wanted"]:
        engine += ", the others are loading"
    lines = ["", f"  API      {base}", f"  Docs     {base}/docs", engine, *more]
    if status["mode"] == "demo":
        lines.append("  Demo     user test, password test (MODE=demo; in MODE=production there is none)")
    lines += ["", "  Look: python3 start.py --status    Stop: python3 start.py --stop"]
    say("\n".join(lines))


def show(status: Mapping[str, Any], *, as_json: bool) -> int:
    """Print a status; exit code 0 when healthy, 1 when not quite."""
    if as_json:
        say(json.dumps(status, indent=2, default=str))
    else:
        say(f"{_colored(status['state'])}, up for {duration(status['uptime_s'])}: {status['address']}")
        say(f"engine {status['engine']}, queue {status['queue']}, mode {status['mode']}\n")
        _table([_row(process) for process in status["processes"]])
        say("\n" + _queue_line(status["inside"]))
        for note in status["notes"]:
            say(f"note: {note}")
    return 0 if status["state"] == "healthy" else 1


def _row(process: Mapping[str, Any]) -> tuple[str, ...]:
    says = process["worker_id"] or process["status"] or ""
    if process["state"] != "ready" and process["last_exit"]:
        says = process["last_exit"]
    uptime = duration(process["uptime_s"])
    pid, restarts = str(process["pid"] or "-"), str(process["restarts"])
    return (process["name"], process["state"], pid, uptime, restarts, says)


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[place]) for row in [_COLUMNS, *rows]) for place in range(len(_COLUMNS))]
    for row in [_COLUMNS, *rows]:
        cells = [
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(_COLUMNS, row, widths, strict=True)
        ]
        cells[1] = _colored(row[1]) + cells[1][len(row[1]) :]
        say("  ".join(cells).rstrip())


def _colored(state: str) -> str:
    color = _COLORS.get(state)
    return f"\x1b[{color}m{state}\x1b[0m" if color and sys.stdout.isatty() else state


def _queue_line(inside: Mapping[str, Any]) -> str:
    queue = inside.get("queue")
    if not isinstance(queue, dict) or "ready" not in queue:
        reason = (queue or {}).get("error") if isinstance(queue, dict) else inside.get("error")
        return f"queue: not known ({reason})"
    return (
        f"queue: {queue['ready']} messages waiting, {queue.get('unacked') or 0} being worked on, "
        f"{inside.get('open', '?')} predictions open"
    )
