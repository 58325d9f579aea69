"""Shows the person at the terminal how far an installation with pip is. Standard library only."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from engine.common.output import tell


def names_in(locks: Sequence[Path]) -> set[str]:
    """The packages that these lock files name."""
    found = (
        re.match(r"([A-Za-z0-9._-]+)(\[[^]]*\])?==", line) for lock in locks for line in lock.read_text().splitlines()
    )
    return {match[1].lower().replace("_", "-") for match in found if match}


def show_progress(process: subprocess.Popen[str], log: Path, total: int) -> list[str]:
    """Wait for a pip that installs ``total`` packages, tell of each, keep what it says in ``log``; all its lines."""
    lines: list[str] = []
    seen = 0
    with log.open("w") as output:
        for line in process.stdout or ():
            output.write(line)
            lines.append(line.rstrip())
            if match := re.match(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)\S*", line):
                seen += 1
                if line.startswith("Collecting"):
                    tell(f"  [{min(seen, total)}/{total}] {match[1]}")
            elif line.startswith("Installing collected"):
                tell("  unpacking")
    process.wait()
    return lines
