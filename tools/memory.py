"""Print what the service that `start.py` runs natively takes in memory: ``python -m tools.memory``.

PSS: each process's private memory and its share of what several have mapped (proc(5)). Start it with PostgreSQL as the
queue: ``python3 start.py --start --engine native --queue postgres --workers 3``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import suppress

import psutil

from benchmarks.place import pss_bytes
from engine.common.state import PROJECT
from engine.native.processes import tree


def part_of(process: psutil.Process, supervisor: int) -> str:
    """Return what a process belongs to."""
    arguments: list[str] = process.cmdline()
    if process.pid == supervisor:
        return "supervisor"
    if "ml_service.runtime.child" in arguments:
        return "model " + arguments[-1].partition('"name": "')[2].partition('"')[0]
    modules = [one.rpartition(".")[2] for one in arguments if one.startswith("services.")]
    return modules[0].replace("main", "app") if modules else "nodes"


def main() -> None:
    """Print the table."""
    supervisor = int(PROJECT.lock_file.read_text())
    parts: dict[str, list[float]] = defaultdict(list)
    for pid in tree(supervisor):
        with suppress(psutil.NoSuchProcess, OSError):  # it has ended since it was listed
            parts[part_of(psutil.Process(pid), supervisor)].append(pss_bytes(pid) / 2**20)
    for name, sizes in sorted(parts.items()):
        sys.stdout.write(f"{name:20} {len(sizes):3} × {sum(sizes) / len(sizes):6.1f} = {sum(sizes):6.1f} MiB\n")
    sys.stdout.write(
        f"{'all':20} {sum(map(len, parts.values())):3}            {sum(map(sum, parts.values())):6.1f} MiB\n"
    )


if __name__ == "__main__":
    main()
