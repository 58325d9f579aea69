"""`--test`: the suites, by pytest's marks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from engine.common.state import ROOT

MARKS = {
    "quick": "not (slow or compose or page)",
    "faults": "slow",
    "compose": "compose",
    "page": "page",
    "all": "",
}
"""Which tests each suite selects."""
ONE_BY_ONE = ("compose", "page")
"""Their tests share a system, and a browser."""


def run(suite: str, more: Sequence[str]) -> int:
    """Run a suite with pytest; ``more`` goes to pytest as it is.

    Three tests at a time where they can: most of them wait.
    """
    given = suite in ONE_BY_ONE or any(part.startswith("-n") for part in more)
    parallel = [] if given else ["-n", "3"]
    command = [sys.executable, "-m", "pytest", "-m", MARKS[suite], *parallel, *more]
    # With its bytecode kept, a worker reads 200 test files in a third less time.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=ROOT, env=kept, check=False).returncode
