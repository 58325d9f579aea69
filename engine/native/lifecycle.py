"""`--start` and `--stop` of the native engine, as the person at the terminal sees them."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from typing import Any

import psutil

from engine.common import pools, ports
from engine.common.errors import EngineError
from engine.common.examples import copy_examples
from engine.common.output import address, say, summary, tell
from engine.common.state import PROJECT, ROOT, already_running, lock_holder, read_engine, write_json
from engine.common.version import change_note
from engine.native import control, model_environments
from engine.native.plan import Plan, make_plan, named_models, read_wishes
from engine.native.processes import log_tail, wait_until
from engine.native.status import inside
from engine.native.supervisor import supervise

_POLL_S = 0.1
_ENDING = ("stopping", "stopped", "failed")
_ELSEWHERE = "Another terminal is starting it; waiting for it."
_ANSWER_TIMEOUT_S = 15
"""A supervisor that holds the lock and does not answer for so long hangs."""
_BEGIN_TIMEOUT_S = 120
"""Until it holds the lock: a slow disk and a busy machine take long to load a program."""


def supervise_here(options: argparse.Namespace) -> int:
    """Be the supervisor, in this process."""

    def plan() -> Plan:
        return make_plan(workers=options.workers, port=options.port, queue=options.queue, pools=options.pool)

    supervise(plan, PROJECT)
    return 0


def foreground(options: argparse.Namespace) -> int:
    """Start and stay (systemd's way); raises EngineError when it already runs."""
    if (holder := lock_holder(PROJECT)) is not None:
        raise already_running(holder)  # before anything of it is touched
    for name in copy_examples():
        tell(f"made {name} from its example")
    PROJECT.make()
    model_environments.ensure_all(named_models(options.pool))
    return supervise_here(options)


def start(options: argparse.Namespace) -> int:
    """Start in the background and show the way to healthy; scale, or say that it runs, when it does.

    Raises:
        EngineError: it could not start; the message says why.
    """
    if options.foreground:
        return foreground(options)
    PROJECT.make()
    mine: subprocess.Popen[bytes] | None = None
    status = control.ask(PROJECT, {"op": "status"})
    if status and status["state"] in _ENDING:
        say("It is stopping; waiting for that, then starting again.")
        status = _after_stop()
    if status is None and lock_holder(PROJECT) is None:
        for name in copy_examples():
            tell(f"made {name} from its example")
        model_environments.ensure_all(named_models(options.pool))
        mine = _spawn(options)
    elif status and status["state"] in ("healthy", "degraded"):
        return _already_running(options, status)
    else:
        say(_ELSEWHERE)
    try:
        status = _follow(mine)
    except KeyboardInterrupt:
        _interrupted(mine)
        return 130
    if mine is None or mine.pid != status["pid"]:
        return _already_running(options, status)
    _summary(status)
    return 0


def _after_stop() -> dict[str, Any] | None:
    """Wait while it stops, for as long as that takes; what another terminal has started since then, if it has.

    Raises:
        EngineError: it hangs.
    """
    answered = time.monotonic()
    while lock_holder(PROJECT) is not None:
        status = control.ask(PROJECT, {"op": "status"}, timeout_s=2)
        if status is not None:
            answered = time.monotonic()
            if status["state"] not in _ENDING:
                return status
        elif time.monotonic() - answered > _ANSWER_TIMEOUT_S:
            raise EngineError("It is stopping and does not answer any more; python3 start.py --stop ends it.")
        time.sleep(_POLL_S)
    return None


def restart(options: argparse.Namespace) -> int:
    """Stop what runs, then start with what was chosen last; what the command line says now counts more."""
    if lock_holder(PROJECT) is not None:
        _check_start(options)
        # This may take minutes: it goes on serving meanwhile.
        model_environments.ensure_new(named_models(options.pool))
        stop()
    return start(options)


def _check_start(options: argparse.Namespace) -> None:
    """Refuse what could not start before anything is stopped for it; raises EngineError."""
    plan = make_plan(workers=options.workers, port=options.port, queue=options.queue, pools=options.pool)
    status = control.ask(PROJECT, {"op": "status"}) or {}
    if plan.port not in (None, status.get("port")):
        ports.listen(plan.host, plan.port).close()
    elif plan.host != status.get("host"):
        ports.listen(plan.host, 0).close()  # its own port is taken by what runs


def _spawn(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "engine", "--supervise"]
    for name in ("workers", "port", "queue"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    command += [part for pool in options.pool for part in ("--pool", pool.text)]
    log = PROJECT.logs / "supervisor.log"
    with log.open("ab") as output:
        # A session of its own and no terminal: it outlives this one.
        return subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _follow(mine: subprocess.Popen[bytes] | None) -> dict[str, Any]:
    """Print each step until it is healthy; raises EngineError when the supervisor ends or hangs."""
    shown: list[str] = []
    answered = time.monotonic()
    while True:
        status = control.ask(PROJECT, {"op": "status"})
        if status is not None:
            answered = time.monotonic()
            for text in [*status["notes"], status["step"]]:
                if text not in shown:
                    shown.append(text)
                    tell(f"  {text}")
            if status["state"] in ("healthy", "degraded"):
                return status
        elif mine is not None and mine.poll() is not None and lock_holder(PROJECT) not in (None, mine.pid):
            say(_ELSEWHERE)  # both looked before either held the lock
            mine = None
        elif (mine is not None and mine.poll() is not None) or (mine is None and lock_holder(PROJECT) is None):
            raise EngineError(_why_it_ended(mine))
        elif time.monotonic() - answered > (_BEGIN_TIMEOUT_S if lock_holder(PROJECT) is None else _ANSWER_TIMEOUT_S):
            raise EngineError(f"The supervisor does not answer. The end of its log:\n{_supervisor_log()}")
        time.sleep(_POLL_S)


def _supervisor_log() -> str:
    return log_tail(PROJECT.logs / "supervisor.log")


def _why_it_ended(mine: subprocess.Popen[bytes] | None) -> str:
    last = read_engine(PROJECT)
    if last.get("state") == "failed" and last.get("error"):
        return f"It could not start; nothing is left running. {last['error']}"
    if last.get("state") == "stopped" and (mine is None or mine.returncode == 0):
        return "It was stopped while it started; nothing is left running."
    return f"It ended while it started. The end of its log:\n{_supervisor_log()}"


def _interrupted(mine: subprocess.Popen[bytes] | None) -> None:
    if mine is None or mine.poll() is not None:
        say("\nThe start goes on in the other terminal. To stop it: python3 start.py --stop")
        return
    say("\nStopping what was started …")
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave it half stopped
    mine.terminate()
    mine.wait()
    signal.signal(signal.SIGINT, previous)
    say("Stopped; nothing is left running.")


def _already_running(options: argparse.Namespace, status: dict[str, Any]) -> int:
    wishes = read_wishes(workers=options.workers, port=options.port, queue=options.queue)
    for name in ("host", "port", "queue", "mode"):
        asked = getattr(wishes, name)
        if asked is not None and asked != status[name]:
            raise EngineError(f"It runs with {name} {status[name]}, not {asked}. To change that: start.py --restart.")
    workers = wishes.workers or status["workers_wanted"]
    numbers = pools.changed_numbers(pools.of_last_start(one["pool"] for one in status["pools"]), options.pool)
    if workers != status["workers_wanted"] or numbers:
        say(f"It is running; going from {status['workers_wanted']} to {workers} workers{_of_pools(numbers)}.")
        # Workers that go finish what they have begun first, for as long as their settings allow.
        if control.ask(PROJECT, {"op": "scale", "workers": workers, "pools": numbers}, timeout_s=None) is None:
            raise EngineError("It ended before it had as many. See: python3 start.py --status")
        wait_until(lambda: _all_workers_ready(workers), 60, _POLL_S)
        status = control.ask(PROJECT, {"op": "status"}) or status
        say(f"{status['workers_ready']} of {status['workers_wanted']} workers are ready.")
    else:
        tell(f"It is already running and {status['state']}.")
    if note := change_note(read_engine(PROJECT).get("code")):
        say(note)
    _summary(status)
    return 0


def _of_pools(numbers: dict[str, int]) -> str:
    return "".join(f", {number} in the pool {pool}" for pool, number in numbers.items())


def _all_workers_ready(workers: int) -> bool:
    status = control.ask(PROJECT, {"op": "status"})
    return status is None or (
        status["workers_ready"] >= workers
        and all(one["workers_ready"] >= pools.parse(one["pool"]).workers for one in status["pools"])
    )


def _summary(status: dict[str, Any]) -> None:
    if any(one["name"] == "bot" for one in status["processes"]):
        bot = "  Bot      runs with TELEGRAM_TOKEN; --status says whether Telegram answers"
    else:
        bot = f"  Bot      rests: {status['bot']} (docs/telegram.md)"
    base = address(status["host"], status["port"])
    summary({"engine": "native", "address": base, "inside": inside(), **status}, [bot])


def stop() -> int:
    """Stop everything in order; says so when nothing runs.

    Raises:
        EngineError: it does not end.
    """
    if lock_holder(PROJECT) is None:
        last = read_engine(PROJECT)
        if last and last.get("state") not in ("stopped", "failed"):
            say("It ended without --stop (a crash or a reboot); nothing runs. The next --start recovers.")
        else:
            say("Nothing runs.")
        return 0
    shown = ""
    host: str | None = None
    answered = time.monotonic()
    while lock_holder(PROJECT) is not None:
        status = control.ask(PROJECT, {"op": "status"}, timeout_s=2)
        if status is not None:
            answered = time.monotonic()
            host = status.get("host")
            if status["state"] != "stopping":
                control.ask(PROJECT, {"op": "stop"}, timeout_s=2)
            elif status["step"] != shown:
                shown = status["step"]
                tell(f"  {shown}")
        # One that answers is waited for: its own patience with each process has an end.
        if time.monotonic() - answered > _ANSWER_TIMEOUT_S:
            _force()
        time.sleep(_POLL_S)
    last = read_engine(PROJECT)
    if host and last and "host" not in last:  # a supervisor of an earlier version; the next start must not open it
        write_json(PROJECT.engine_file, {**last, "host": host})
    tell("Stopped. The data stay in var/.")
    return 0


def _force() -> None:
    """Kill a supervisor that hangs; its children go with it (PDEATHSIG), the data are safe."""
    pid = lock_holder(PROJECT)
    if not pid:
        return
    if "engine" not in " ".join(psutil.Process(pid).cmdline()):
        raise EngineError(f"Process {pid} holds {PROJECT.lock_file} and is no supervisor of ours.")
    say(f"  the supervisor (process {pid}) does not answer and is killed")
    os.kill(pid, signal.SIGKILL)
    if not wait_until(lambda: lock_holder(PROJECT) is None, 10, _POLL_S):
        raise EngineError(f"Process {pid} does not end.")
