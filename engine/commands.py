"""What each command does on the native engine (the docker engine's are in docker.py), and the tests."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from engine import control, logs, native, report, status
from engine.errors import EngineError
from engine.state import PROJECT, ROOT

SUITES = {
    "quick": "not (slow or compose or page)",
    "faults": "slow",
    "compose": "compose",
    "page": "page",
    "all": "",
}
"""Which tests each suite selects, by pytest's marks."""
ONE_BY_ONE = ("compose",)
"""Its tests share one system of containers."""


def start(options: argparse.Namespace) -> int:
    """Start, or scale what runs."""
    if options.foreground:
        return native.foreground(options)
    return native.start(options)


def show_logs(service: str | None, *, follow: bool) -> int:
    """Print the last lines of the logs, and follow them if asked."""
    chosen = logs.choose(PROJECT.logs, service)
    if not chosen:
        names = ", ".join(log.stem for log in logs.choose(PROJECT.logs, None))
        raise EngineError(f"No log of {service!r}. There are: {names}." if names else "There are no logs yet.")
    logs.show(chosen, follow=follow)
    return 0


def test(suite: str, more: Sequence[str]) -> int:
    """Run a suite with pytest, two tests at a time where they can; ``more`` goes to pytest as it is."""
    given = suite in ONE_BY_ONE or any(part.startswith("-n") for part in more)
    parallel = [] if given else ["-n", "2"]
    command = [sys.executable, "-m", "pytest", "-m", SUITES[suite], *parallel, *more]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def cli(arguments: Sequence[str]) -> int:
    """Run the `ml-service` command with the running system's addresses.

    Raises:
        EngineError: the native engine does not run.
    """
    answer = control.ask(PROJECT, {"op": "environment"})
    if answer is None:
        raise EngineError("It does not run; the command needs its database. Start it: python3 start.py --start")
    os.chdir(ROOT)
    command = [sys.executable, "-m", "ml_service.cli", *arguments]
    return subprocess.run(command, env=answer["environment"], check=False).returncode


def run(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run the command that ``options`` name; raises EngineError."""
    actions: list[tuple[object, Callable[[], int]]] = [
        (options.supervise, lambda: native.supervise_here(options)),
        (options.stop, native.stop),
        (options.status, lambda: status.show(as_json=options.json)),
        (options.logs is not None, lambda: show_logs(options.logs or None, follow=options.follow)),
        (options.test, lambda: test(options.test, rest)),
        (options.cli is not None, lambda: cli(options.cli)),
        (options.start or options.workers, lambda: start(options)),
    ]
    for asked, action in actions:
        if asked:
            return action()
    raise EngineError(report.NOTHING_ASKED)
