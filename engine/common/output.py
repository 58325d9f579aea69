"""What both engines say to the person at the terminal, in the same words. Standard library only."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.common.browser import open_page

EXIT_NOT_RUNNING = 3
"""As systemctl has it."""

NOTHING_ASKED = "Say what to do: --start, --stop, --status, --logs, --test, --doctor (see --help)."
PRODUCTION_DATA = (
    "The data here are those of MODE=production, and MODE=demo would let anybody in as user test. "
    "Start the demo in another folder, or set MODE=production."
)
_COLORS = {"ready": 32, "healthy": 32, "starting": 33, "waiting": 33, "stopping": 33, "degraded": 33, "stopped": 31}
_BOLD = 1
_COLUMNS = ("process", "state", "pid", "uptime", "restarts", "says")
_NUMBERS = ("pid", "restarts")


_quiet = False
_opens = False


def set_quiet(quiet: bool) -> None:  # noqa: FBT001 - the option as it is
    """Whether what a start or a stop does is left unsaid; errors and what was asked for are always said."""
    global _quiet  # noqa: PLW0603 - one process, one terminal
    _quiet = quiet


def set_open(opens: bool) -> None:  # noqa: FBT001 - the option as it is
    """Whether a start ends with the page in a browser."""
    global _opens  # noqa: PLW0603 - one process, one terminal
    _opens = opens


def say(text: str) -> None:
    """One line to the person at the terminal, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """One line about what is being done; `--quiet` leaves it out."""
    if not _quiet:
        say(text)


def address(host: str, port: int) -> str:
    """The API's address as a person on this machine types it."""
    name = "localhost" if host in ("", "0.0.0.0", "127.0.0.1", "::", "::1") else host  # noqa: S104 - compared, not bound
    if ":" in name:
        name = f"[{name.replace('%', '%25')}]"  # RFC 6874
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
    engine = f"  Engine   {status['engine']} · queue: {_queue_name(status)} · "
    engine += f"workers: {status['workers_ready']} of {status['workers_wanted']} ready"
    if status["workers_ready"] < status["workers_wanted"]:
        engine += ", the others are loading"
    lines = ["", f"  Page     {_paint(base, _BOLD)}", f"  API      {base}", f"  Docs     {base}/docs", engine, *more]
    lines += [f"  Models   {line}" for line in _failed_models(status.get("inside", {}))]
    if status["mode"] == "demo":
        lines.append("  Demo     user test, password test (MODE=demo; in MODE=production there is none)")
    else:
        lines.append("  Mode     production; the first admin: python3 start.py --cli admin create NAME")
    lines += ["", "  Try it:", f"    {_first_request(status)}"]
    lines += ["", "  Look: python3 start.py --status    Stop: python3 start.py --stop"]
    tell("\n".join(lines))
    if _opens and not open_page(base):
        say(f"\nThere is no browser that could be opened here. The page is at {base}")


def _queue_name(status: Mapping[str, Any]) -> str:
    if status["queue"] == "rabbitmq":
        return "RabbitMQ"
    return "PostgreSQL" + (f" ({status['queue_note']})" if status.get("queue_note") else "")


def _first_request(status: Mapping[str, Any]) -> str:
    """A command that can be pasted: in the demo a prediction, in production a look at the models."""
    base = status["address"]
    if status["mode"] != "demo":
        return f"curl -s {base}/models; echo"
    token = (
        f"""$(curl -s {base}/token -d username=test -d password=test | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')"""
    )
    return (
        f"curl -s {base}/predictions/predict -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json' "
        """-H 'Prefer: wait=20' -d '{"text": "Works like a charm!"}'; echo"""
    )


def show(status: Mapping[str, Any], *, as_json: bool) -> int:
    """Print a status; exit code 0 when healthy, 1 when not quite (what `/health` calls degraded counts)."""
    if status["state"] == "healthy" and _problems(status["inside"]):
        status = {**status, "state": "degraded"}
    if as_json:
        say(json.dumps(status, indent=2, default=str))
    else:
        say(f"{_colored(status['state'])}, up for {duration(status['uptime_s'])}: {status['address']}")
        say(f"engine {status['engine']}, queue {status['queue']}, mode {status['mode']}\n")
        _table([_row(process) for process in status["processes"]])
        say("\n" + _queue_line(status["inside"]))
        for line in _pool_lines(status["inside"]):
            say(line)
        for line in _problems(status["inside"]):
            say(line)
        for note in status["notes"]:
            say(f"note: {note}")
    return 0 if status["state"] == "healthy" else 1


def _problems(inside: Mapping[str, Any]) -> list[str]:
    """A line for each thing that is wrong though the processes run, with the next step."""
    is_queue_away = "error" in (inside.get("queue") or {})
    return [
        *(["problem: The queue does not answer. Next: python3 start.py --logs"] if is_queue_away else []),
        *(f"problem: {problem}" for problem in inside.get("problems", [])),
        *(f"{line.rstrip('.')}. Next: python3 start.py --logs worker" for line in _failed_models(inside)),
    ]


def _failed_models(inside: Mapping[str, Any]) -> list[str]:
    """A sentence for each model that a live worker cannot load."""
    reasons: dict[str, str] = {}
    for worker in inside.get("workers", []):
        for name, model in worker.get("model_states", {}).items():
            if worker.get("is_alive") and model["state"] == "failed":
                reasons.setdefault(name, model["reason"])
    return [f"model {name} cannot be loaded: {reason}" for name, reason in sorted(reasons.items())]


def _pool_lines(inside: Mapping[str, Any]) -> list[str]:
    """What each pool's live workers do: ``pool gpu: 2 workers: whisper ready, sdxl 1 ready and 1 sleeping``."""
    states: dict[str, dict[str, Counter[str]]] = {}
    workers: dict[str, set[str]] = {}
    for worker in inside.get("workers", []):
        for name, model in worker.get("model_states", {}).items():
            pool = model.get("pool")
            if worker.get("is_alive") and pool:
                states.setdefault(pool, {}).setdefault(name, Counter())[model["state"]] += 1
                workers.setdefault(pool, set()).add(worker["id"])
    lines = []
    for pool, models in sorted(states.items()):
        number = len(workers[pool])
        shown = ", ".join(f"{name} {_states(counts)}" for name, counts in sorted(models.items()))
        lines.append(f"pool {pool}: {number} worker{'s' if number > 1 else ''}: {shown}")
    return lines


def _states(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return " and ".join(f"{count} {state}" for state, count in sorted(counts.items()))


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
    return _paint(state, _COLORS.get(state))


def _paint(text: str, code: int | None) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code and sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def _queue_line(inside: Mapping[str, Any]) -> str:
    queue = inside.get("queue")
    if not isinstance(queue, dict) or "ready" not in queue:
        reason = (queue or {}).get("error") if isinstance(queue, dict) else inside.get("error")
        return f"queue: not known ({reason})"
    line = (
        f"queue: {queue['ready']} messages waiting, {queue.get('unacked') or 0} being worked on, "
        f"{inside.get('open', '?')} predictions open"
    )
    dead = inside.get("dead_letters")
    return f"{line}, {dead} dead letters: python3 start.py --cli dead list" if dead else line
