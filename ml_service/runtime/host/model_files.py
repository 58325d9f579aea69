"""A model's files: whether they can be read, and whether they are still those that were loaded.

A model's schema is announced once, when a worker loads it. If its process ends and starts again, other code would run
behind the old schema and under the old version; so the code must be the same until the worker is restarted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ml_service.runtime.locations import MANIFEST_FILE

FILES_MAX = 10_000
_HIDDEN = ("__pycache__", ".")


class ModelFilesError(Exception):
    """The files cannot be served; the message, one sentence, says what to do."""


def fingerprint(folder: Path) -> str:
    """Return a hash of all Python files and of the manifest in ``folder``, after a look at whether all can be read.

    Weights are not hashed, for they may be large: the model's process compares them with its manifest.

    Raises:
        ModelFilesError: The folder is gone, or a file in it may not be read.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        if not os.access(path, os.R_OK):
            raise ModelFilesError(f"{path} may not be read by this user (id {os.getuid()}): chmod a+r it.")
        if path.suffix == ".py" or path == folder / MANIFEST_FILE:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        if isinstance(error, PermissionError):
            raise ModelFilesError(
                f"{error.filename} may not be opened by this user (id {os.getuid()}): chmod a+rx it."
            ) from error
        raise ModelFilesError(f"{error.filename} cannot be read: {error.strerror}.") from error

    seen = 0
    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        for name in sorted(names):
            if name.startswith("."):
                continue
            seen += 1
            if seen > FILES_MAX:
                return
            yield Path(root, name)
