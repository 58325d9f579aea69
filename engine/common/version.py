"""Which version of the code is here, and whether it is the one that runs. Standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

from engine.common.state import ROOT

_CODE = (
    "ml_service/**/*.py",
    "ml_service/**/*.sql",
    "services/**/*.py",
    "services/*/requirements.txt",
    "engine/**/*.py",
)


def shown(root: Path = ROOT) -> str:
    """For a person: "ML Service 0.1.0", with the commit where git knows it."""
    with (root / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    commit = ""
    if (root / ".git").exists() and shutil.which("git"):
        command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
        # GIT_DIR and its like (set in a hook of git's, say) lead to another repository, whatever -C says.
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        commit = subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout.strip()
    return f"ML Service {version}" + (f" ({commit})" if commit else "")


def fingerprint(root: Path = ROOT) -> str:
    """A digest of the code: another one means that what runs is not what lies here."""
    digest = hashlib.sha256()
    for file in sorted(file for pattern in _CODE for file in root.glob(pattern)):
        try:
            digest.update(str(file.relative_to(root)).encode("utf-8", "surrogateescape") + b"\0" + file.read_bytes())
        except OSError:
            continue
    return digest.hexdigest()[:16]


def change_note(recorded: object, root: Path = ROOT) -> str:
    """A sentence where the code has changed since the start that was recorded; empty where it has not."""
    if not recorded or recorded == fingerprint(root):
        return ""
    return "The code here has changed since the start; what runs is the older one. Run the new one: start.py --restart"
