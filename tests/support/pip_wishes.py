"""What people tell pip for other installations: none of it may reach ours."""

from __future__ import annotations

from pathlib import Path

import pytest

ELSEWHERE = (
    *("PIP_TARGET", "PIP_PREFIX", "PIP_DRY_RUN", "PIP_USER", "PIP_CONSTRAINT", "PIP_REQUIREMENT", "PIP_PLATFORM"),
    *("PIP_PYTHON", "PIP_CONFIG_FILE"),
)


def tell_pip(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variable ``name`` to something that keeps packages out of an environment; files are in ``folder``."""
    target = folder / "target"
    file = folder / "told.txt"
    file.write_text(f"[install]\ntarget = {target}\n" if name == "PIP_CONFIG_FILE" else "tiny==2.0\n")
    values = {
        "PIP_DRY_RUN": "1",
        "PIP_USER": "1",
        "PIP_PLATFORM": "win32",
        "PIP_PYTHON": "/usr/bin/python3",
        "PIP_TARGET": str(target),
        "PIP_PREFIX": str(target),
    }
    monkeypatch.setenv(name, values.get(name, str(file)))
