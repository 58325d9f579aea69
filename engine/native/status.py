"""`--status`: each process, who the workers are, what waits."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from engine.common import output
from engine.common.output import address, say
from engine.common.state import PROJECT, ROOT, lock_holder, read_engine
from engine.common.version import change_note
from engine.native import control

_CLI_TIMEOUT_S = 30


def inside() -> dict[str, Any]:
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
    known = inside() if status["state"] in ("healthy", "degraded") else {"error": status["step"]}
    ids = {worker.get("pid"): worker.get("id") for worker in known.get("workers", []) if isinstance(worker, dict)}
    for process in status["processes"]:
        process["worker_id"] = ids.get(process["pid"]) if process["name"].startswith("worker") else None
    if note := change_note(read_engine(PROJECT).get("code")):
        status["notes"].append(note)
    return {"engine": "native", "address": address(status["host"], status["port"]), **status, "inside": known}


def show(*, as_json: bool = False) -> int:
    """Print it; exit code 0 when healthy, 1 when not quite, 3 when nothing runs."""
    status = collect()
    if status is None:
        return _show_nothing(as_json=as_json)
    return output.show(status, as_json=as_json)


def _show_nothing(*, as_json: bool) -> int:
    last = read_engine(PROJECT)
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
    return output.EXIT_NOT_RUNNING
