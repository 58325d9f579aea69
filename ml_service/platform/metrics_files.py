"""The files in which the processes of one host keep their metrics; who counts is in `metrics.py`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own name for the variable that names the folder."""
PROCESS = "METRICS_PROCESS"
_LIVE = "gauge_livesum"
_BYTES = {"counter": 2**19, "histogram": 2**19, _LIVE: 2**16}
"""Written in full before they are used: a page of a mapped file that a full disk cannot hold ends the process."""


def environment(folder: Path, process: str) -> dict[str, str]:
    """What lets a process count for its host."""
    return {FOLDER: str(folder), PROCESS: process}


def begin(folder: Path) -> None:
    """Empty the folder: nothing of the last start counts any more. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()


def allocate(folder: Path, process: str) -> None:
    """Let a process's files have their size on the disk; what they hold stays. Raises OSError."""
    for kind, size in _BYTES.items():
        with (folder / f"{kind}_{process}.db").open("ab") as file:
            file.write(bytes(max(0, size - file.tell())))


def end(folder: Path, process: str) -> None:
    """Drop what only counts while the process lives."""
    (folder / f"{_LIVE}_{process}.db").unlink(missing_ok=True)
