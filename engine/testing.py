"""`--test`: the suites, by pytest's marks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from engine.common.state import ROOT

MARKS = {
    "quick": "not (slow or compose or page)",
    "page": "page",
    "faults": "slow",
    "compose": "compose",
}
"""Which tests each suite selects. The suite `all` is these, one after another."""
AT_A_TIME = {"quick": 3, "page": 2, "faults": 3, "compose": 0}
"""How many tests run at a time: most of them wait, a browser computes, and those of the containers share one system."""

READ_BY = {
    "unit": ("quick",),
    "properties": ("quick",),
    "integration": ("quick", "faults"),
    "contract": ("quick", "faults"),
    "clients": ("quick", "faults"),
    "e2e": ("quick", "faults"),
    "faults": ("faults",),
    "page": ("page",),
    "compose": ("compose",),
}
"""Which suites have tests in a folder of tests: each worker reads whole folders, which takes seconds."""

NO_TESTS = 5
"""Pytest's exit status where a suite has none of the tests that were asked for."""


def run(suite: str, more: Sequence[str]) -> int:
    """Run a suite with pytest; ``more`` goes to pytest as it is. Returns pytest's exit status, or the first bad one."""
    if suite != "all":
        return _run(suite, more)
    statuses = [_run(one, more) for one in MARKS]
    bad = [status for status in statuses if status not in (0, NO_TESTS)]
    return bad[0] if bad else min(statuses)


def _run(suite: str, more: Sequence[str]) -> int:
    is_given = any(part.startswith("-n") for part in more)
    parallel = [] if is_given else ["-n", str(AT_A_TIME[suite])]
    # A file that is named may lie in any folder.
    are_named = any((ROOT / part.partition("::")[0]).exists() for part in more)
    ignored = [] if are_named else [f"--ignore=tests/{name}" for name, suites in READ_BY.items() if suite not in suites]
    command = [sys.executable, "-m", "pytest", "-m", MARKS[suite], *parallel, *ignored, *more]
    # With its bytecode kept, a worker reads 200 test files in a third less time.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=ROOT, env=kept, check=False).returncode
