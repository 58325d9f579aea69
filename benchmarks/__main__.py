"""One command for all measurements: `python -m benchmarks [NAME …] [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import psutil
import structlog
import uvloop
from rich.console import Console

from benchmarks import broker, peer
from benchmarks.options import QUICK, Run, Size
from benchmarks.place import ROOT, Place
from benchmarks.report import Report, markdown, show, svg

BENCHMARKS = (
    "drain",
    "submit",
    "keys",
    "batch",
    "bulk",
    "latency",
    "model",
    "queue",
    "growth",
    "memory",
    "streams",
    "webhooks",
    "page",
)
Measure = Callable[[Run], Awaitable[Report]]


async def machine(place: Place) -> str:
    """The machine and its load, without a host name or an address."""
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    memory = psutil.virtual_memory().total / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("fastapi", "uvicorn", "asyncpg", "pamqp"))
    rabbit = await broker.version(place.amqp_url)
    system = f"{platform.system()} {platform.release()}"
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {cores} ({_processor()}), {memory:.0f} GiB, {system}"
        f" · load before the run {load}\n"
        f"Python {platform.python_version()} · PostgreSQL {place.postgres.major} · RabbitMQ {rabbit} · {libraries}\n"
        f"Peers: {peer.versions()}"
    )


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    for line in file.read_text().splitlines() if file.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(BENCHMARKS)} (default: all)"
    )
    parser.add_argument("--quick", action="store_true", help="small amounts, to check that everything runs")
    parser.add_argument("--rounds", type=int, help="number of interleaved rounds; the report shows medians")
    parser.add_argument(
        "--cores", type=int, default=2, help="cores shared by all processes, the client included (default 2)"
    )
    parser.add_argument("--only", default="", help="systems to measure, e.g. service,dramatiq")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "benchmarks", help="folder for charts and figures")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=N", help="override an amount of options.py")
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return given


def size_of(given: argparse.Namespace) -> Size:
    """The amounts from the command line."""
    size = QUICK if given.quick else Size()
    if given.rounds:
        size = replace(size, rounds=given.rounds, growth_rounds=given.rounds)
    for text in given.set:
        name, _, value = text.partition("=")
        size = replace(size, **{name: type(getattr(size, name))(value)})
    return size


async def measure(given: argparse.Namespace, folder: Path, console: Console) -> None:
    """Start the nodes, run each benchmark, print and save its report."""
    given.out.mkdir(parents=True, exist_ok=True)
    place = Place(folder)
    try:
        with console.status("PostgreSQL and RabbitMQ start …"):
            await place.start()
        about = await machine(place)
        console.print(about, highlight=False, style="dim")
        console.print()
        only = frozenset(name.strip().lower() for name in given.only.split(",") if name.strip())
        run = Run(place, size_of(given), only)
        for name in given.names or BENCHMARKS:
            started = time.perf_counter()
            work: Measure = import_module(f"benchmarks.{name}").run
            with console.status(f"{name} …"):
                report = await work(run)
            show(report, console)
            (given.out / f"{name}.svg").write_text(svg(report))
            (given.out / f"{name}.md").write_text(f"{about}\n\n{markdown(report)}")
            (given.out / f"{name}.json").write_text(json.dumps(report.figures, indent=1))
            console.print(
                f"  {given.out / name}.svg, .md, .json · {time.perf_counter() - started:.0f} s\n", style="dim"
            )
    finally:
        place.close()


def main() -> None:
    """Measure."""
    given = arguments()
    # Nodes and programs inherit it, so that figures of machines of different sizes can be compared.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.cores])
    lacking = peer.missing()
    if lacking:
        raise SystemExit(
            f"The peers' libraries are not installed ({', '.join(lacking)}):"
            " pip install --require-hashes -r benchmarks/requirements.txt"
        )
    # On the project's disk: a temporary folder may be in memory, where a commit costs nothing.
    (ROOT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "var"))
    # Parts of the service run in this process; their logs would only disturb the report.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(given, folder, Console(width=None if os.isatty(1) else 140)))


if __name__ == "__main__":
    main()
