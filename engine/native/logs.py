"""The processes' log files: shown, followed, and kept from filling the disk."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.common.log_lines import formatter

SIZE_MAX_BYTES = 10_000_000
KEPT = 3
_STEP_BYTES = 65_536


def rotate(log: Path, size_max_bytes: int = SIZE_MAX_BYTES) -> bool:
    """Move a log that has grown too long to ``.1`` (``.1`` to ``.2`` …); returns whether it did.

    Copied and cut, not renamed: processes append to the file they have open. What is written between the copy and
    the cut is lost, a few lines in ten million bytes.

    Raises:
        OSError: it cannot be copied; nothing has changed.
    """
    try:
        if log.stat().st_size < size_max_bytes:
            return False
    except OSError:
        return False
    copy = log.with_name(f"{log.name}.new")
    try:
        shutil.copyfile(log, copy)
    except OSError:  # the disk may be full: the older logs stay as they are
        copy.unlink(missing_ok=True)
        raise
    for number in range(KEPT, 1, -1):
        older = log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
    copy.replace(log.with_name(f"{log.name}.1"))
    with log.open("r+b") as file:
        file.truncate(0)
    return True


def choose(folder: Path, service: str | None) -> list[Path]:
    """The logs of ``service`` ("worker" means all workers), or all."""
    logs = sorted(folder.glob("*.log"))
    if service is None:
        return logs
    return [log for log in logs if log.stem == service or log.stem.startswith(service + "-")]


def show(logs: Sequence[Path], *, lines_max: int = 40, level: str | None = None, follow: bool = False) -> None:
    """Print the last lines of each log; with ``follow`` go on until Ctrl-C."""
    width = max((len(log.stem) for log in logs), default=0)
    labels = {log: f"{log.stem:<{width}} | " if len(logs) > 1 else "" for log in logs}
    formatted = formatter(level)
    at: dict[Path, int] = {}

    def put(log: Path, lines: Iterable[str]) -> None:
        for line in lines:
            if (shown := formatted(line)) is not None:
                sys.stdout.write(f"{labels[log]}{shown}\n")

    for log in logs:
        at[log] = log.stat().st_size
        put(log, last_lines(log, lines_max) if lines_max else [])
    while follow:
        sys.stdout.flush()
        time.sleep(0.3)
        for log in logs:
            at[log], lines = _new_lines(log, at[log])
            put(log, lines)


def last_lines(log: Path, lines_max: int) -> list[str]:
    """The last lines of a file, read from its end."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        data = b""
        while end > 0 and data.count(b"\n") <= lines_max:
            step = min(_STEP_BYTES, end)
            end -= step
            file.seek(end)
            data = file.read(step) + data
    return data.decode(errors="replace").removesuffix("\n").split("\n")[-lines_max:] if data else []


def _new_lines(log: Path, since: int) -> tuple[int, list[str]]:
    try:
        size = log.stat().st_size
        if size < since:  # cut by the rotation
            since = 0
        if size == since:
            return since, []
        with log.open("rb") as file:
            file.seek(since)
            data = file.read(size - since)
    except OSError:
        return since, []
    whole = data[: data.rfind(b"\n") + 1]  # a half line waits for its other half
    return since + len(whole), whole.decode(errors="replace").split("\n")[:-1]
