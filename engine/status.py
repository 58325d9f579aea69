"""`--status`: each process, who the workers are, what waits."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from engine import control
from engine.native import address, say
from engine.state import PROJECT, ROOT, lock_holder, read_json

EXIT_NOT_RUNNING = 3
"""As systemctl has it."""

_CLI_TIMEOUT_S = 30
_COLORS = {"ready": "green", "starting": "yellow", "waiting": "yellow", "stopping": "yellow", "stopped": "red"}


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


def _inside() -> dict[str, Any]:
    """What the service itself knows (workers, queue); empty, with "error", when it cannot say."""
    try:
        answer = control.ask(PROJECT, {"op": "environment"}) or {}
        command = [sys.executable, "-m", "ml_service.cli", "status", "--json"]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=answer["environment"],
            capture_output=True,
            text=True,
            timeout=_CLI_TIMEOUT_S,
            check=False,
        )
        value = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"it did not answer within {_CLI_TIMEOUT_S} s"}
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return {"error": str(error) or type(error).__name__}
    return value if isinstance(value, dict) else {"error": "it answered with no object"}


def collect() -> dict[str, Any] | None:
    """All of it as one value; None when nothing runs."""
    status = control.ask(PROJECT, {"op": "status"})
    if status is None:
        return None
    inside = _inside() if status["state"] in ("healthy", "degraded") else {"error": status["step"]}
    ids = {worker.get("pid"): worker.get("id") for worker in inside.get("workers", []) if isinstance(worker, dict)}
    for process in status["processes"]:
        process["worker_id"] = ids.get(process["pid"]) if process["name"].startswith("worker") else None
    return {"engine": "native", "address": address(status), **status, "inside": inside}


def show(*, as_json: bool = False) -> int:
    """Print it; exit code 0 when healthy, 1 when not quite, 3 when nothing runs."""
    status = collect()
    if status is None:
        return _show_nothing(as_json=as_json)
    if as_json:
        sys.stdout.write(json.dumps(status, indent=2, default=str) + "\n")
    else:
        _show_table(status)
    return 0 if status["state"] == "healthy" else 1


def _show_nothing(*, as_json: bool) -> int:
    last = read_json(PROJECT.engine_file)
    if as_json:
        sys.stdout.write(json.dumps({"state": "stopped", "last": last}) + "\n")
    elif lock_holder(PROJECT) is not None:
        say("The supervisor runs and does not answer. If that lasts: python3 start.py --stop")
    elif last.get("state") == "failed":
        say(f"Not running: the last start failed. {last.get('error')}")
    elif last and last.get("state") != "stopped":
        say("Not running: it ended without --stop (a crash or a reboot). The next --start recovers.")
    else:
        say("Not running. Start it with: python3 start.py --start")
    return EXIT_NOT_RUNNING


def _show_table(status: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("process", "state", "pid", "uptime", "restarts", "says"):
        table.add_column(column, justify="right" if column in ("pid", "restarts") else "left")
    for process in status["processes"]:
        color = _COLORS.get(process["state"], "white")
        says = process["worker_id"] or process["status"] or ""
        if process["state"] != "ready" and process["last_exit"]:
            says = process["last_exit"]
        table.add_row(
            process["name"],
            f"[{color}]{process['state']}[/]",
            str(process["pid"] or "-"),
            duration(process["uptime_s"]),
            str(process["restarts"]),
            says,
        )
    console.print(f"[bold]{status['state']}[/], up for {duration(status['uptime_s'])}: {status['address']}")
    console.print(f"engine native, queue {status['queue']}, mode {status['mode']}\n")
    console.print(table)
    console.print("\n" + _queue_line(status["inside"]))
    for note in status["notes"]:
        console.print(f"note: {note}")


def _queue_line(inside: dict[str, Any]) -> str:
    queue = inside.get("queue")
    if not isinstance(queue, dict) or "ready" not in queue:
        reason = (queue or {}).get("error") if isinstance(queue, dict) else inside.get("error")
        return f"queue: not known ({reason})"
    return (
        f"queue: {queue['ready']} messages waiting, {queue.get('unacked') or 0} being worked on, "
        f"{inside.get('open', '?')} predictions open"
    )
