"""The client as users get it: built as a wheel and installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def install(folder: Path) -> dict[str, str]:
    """Build the wheel and install it in ``folder``; returns the environment in which it is found, and `mls` too."""
    quietly = ["--quiet", "--no-deps", "--disable-pip-version-check"]
    wheels, target = folder / "wheels", folder / "installed"
    build = ["wheel", *quietly, "--no-build-isolation", "--wheel-dir", wheels, ROOT / "clients/python"]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    install = ["install", *quietly, "--target", target, *wheels.glob("*.whl")]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    path = f"{target / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(target), "LANG": "C.UTF-8", "HOME": str(folder)}
