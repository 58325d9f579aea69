"""The processes' log files: shown, followed, and kept from filling the disk."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine.processes import log_tail

SIZE_MAX_BYTES = 10_000_000
KEPT = 3


def rotate(log: Path, size_max_bytes: int = SIZE_MAX_BYTES) -> bool:
    """Move a log that has grown too long to ``.1`` (``.1`` to ``.2`` …); returns whether it did.

    Copied and cut, not renamed: processes append to the file they have open. What is written between the copy and
    the cut is lost, a few lines in ten million bytes.
    """
    try:
        if log.stat().st_size < size_max_bytes:
            return False
    except OSError:
        return False
    for number in range(KEPT, 1, -1):
        older = log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    with log.open("r+b") as file:
        file.truncate(0)
    return True


def choose(folder: Path, service: str | None) -> list[Path]:
    """The logs of ``service`` ("worker" means all workers), or all."""
    logs = sorted(folder.glob("*.log"))
    if service is None:
        return logs
    return [log for log in logs if log.stem == service or log.stem.startswith(service + "-")]


def show(logs: Sequence[Path], *, lines_max: int = 40, follow: bool = False) -> None:
    """Print the last lines of each log; with ``follow`` go on until Ctrl-C."""
    width = max((len(log.stem) for log in logs), default=0)
    labels = {log: f"{log.stem:<{width}} | " if len(logs) > 1 else "" for log in logs}
    at: dict[Path, int] = {}
    for log in logs:
        at[log] = log.stat().st_size
        for line in log_tail(log, lines_max).splitlines():
            sys.stdout.write(f"{labels[log]}{line}\n")
    while follow:
        sys.stdout.flush()
        time.sleep(0.3)
        for log in logs:
            at[log] = _print_new(log, at[log], labels[log])


def _print_new(log: Path, since: int, label: str) -> int:
    try:
        size = log.stat().st_size
        if size < since:  # cut by the rotation
            since = 0
        if size == since:
            return since
        with log.open("rb") as file:
            file.seek(since)
            data = file.read(size - since)
    except OSError:
        return since
    whole = data[: data.rfind(b"\n") + 1]  # a half line waits for its other half
    for line in whole.decode(errors="replace").splitlines():
        sys.stdout.write(f"{label}{line}\n")
    return since + len(whole)
