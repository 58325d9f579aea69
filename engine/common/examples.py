"""The optional services/*/.env files. Standard library only."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.common.state import ROOT


def copy_examples(root: Path = ROOT) -> list[str]:
    """Copy each services/*/.env.example to .env where there is none yet; returns what was made."""
    made = []
    for example in sorted(root.glob("services/*/.env.example")):
        target = example.with_name(".env")
        if not target.exists():
            shutil.copyfile(example, target)
            target.chmod(0o600)
            made.append(str(target.relative_to(root)))
    return made
