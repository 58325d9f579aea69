"""Secrets that are generated once and kept in a file: the native engine's and the containers'."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path


class DamagedSecrets(Exception):
    """The file is there and cannot be read; new secrets in silence would hide that."""


def write_secret(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace ``file`` in one step: a crash leaves the old or the new. Nobody can read it before it has its mode."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    fresh.chmod(mode)
    fresh.replace(file)


def read_secrets(file: Path) -> dict[str, str]:
    """What is kept in ``file``; empty where there is none. Raises DamagedSecrets."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(secret, str) for secret in value.values()):
        raise DamagedSecrets(
            f"{file} cannot be read: restore it from a backup, or delete it to have new secrets generated."
        )
    return value


def write_secrets(file: Path, values: Mapping[str, str], mode: int = 0o600) -> None:
    """Keep ``values``."""
    write_secret(file, json.dumps(values, indent=1), mode)


def fresh_secrets(lengths_bytes: Mapping[str, int]) -> dict[str, str]:
    """A new random secret for each name."""
    return {name: secrets.token_urlsafe(length) for name, length in lengths_bytes.items()}


def keep_secrets(file: Path, lengths_bytes: Mapping[str, int], mode: int = 0o600) -> tuple[dict[str, str], list[str]]:
    """What ``file`` keeps, and the names of those that were missing and have been generated.

    Raises:
        DamagedSecrets: the file cannot be read.
    """
    kept = read_secrets(file)
    missing = [name for name in lengths_bytes if not kept.get(name)]
    if missing:
        kept |= fresh_secrets({name: lengths_bytes[name] for name in missing})
        write_secrets(file, kept, mode)
    return kept, missing
