"""The optional services/*/.env files. Standard library only."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from engine.state import ROOT


def dotenv(file: Path) -> dict[str, str]:
    """The NAME=value lines of an optional .env file."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def open_for_containers(root: Path = ROOT) -> list[str]:
    """Let a container's own user read the services/*/.env files; returns those that it could not read before."""
    changed = []
    for file in sorted(root.glob("services/*/.env")):
        mode = stat.S_IMODE(file.stat().st_mode)
        if not mode & stat.S_IROTH:
            file.chmod(mode | stat.S_IROTH)
            changed.append(str(file.relative_to(root)))
    return changed


def copy_examples(root: Path = ROOT, *, mode: int = 0o600) -> list[str]:
    """Copy each services/*/.env.example to .env where there is none yet; returns what was made."""
    made = []
    for example in sorted(root.glob("services/*/.env.example")):
        target = example.with_name(".env")
        if not target.exists():
            shutil.copyfile(example, target)
            target.chmod(mode)
            made.append(str(target.relative_to(root)))
    return made
