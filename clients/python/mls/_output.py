"""The file that `mls` writes results to."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

LINKS_MAX = 40
"""Of one name, as Linux follows them."""


@contextmanager
def opened(out: str, source: str | None = None) -> Iterator[BinaryIO]:
    """Open what ``out`` names, before anything is paid for what will be written.

    A file stays as it was until all has been written, and keeps its mode; of a link, the file that it names. A pipe, a
    device or a descriptor (``/dev/fd/3``) is written as the results come.

    Raises:
        ValueError, OSError: It cannot be written, or is ``source``, which the results are made of.
    """
    path = Path(os.path.realpath(out))
    if path.is_dir():
        raise ValueError(f"{out} is a folder: name a file for --out.")
    if source is not None and path.exists() and path.samefile(source):
        raise ValueError("--out would replace the file that is sent: name another one.")
    if _is_descriptor(out) or (path.exists() and not path.is_file()):
        with Path(out).open("ab") as file:  # `>> log` keeps what it has
            yield file
        return
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder {path.parent} for --out.")
    # Of a name that nobody else has: neither another command with the same ``out``, nor a file of the user's.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")
    with partial.open("xb") as file:
        try:
            if path.exists():
                shutil.copymode(path, partial)
            yield file
            file.flush()
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _is_descriptor(out: str) -> bool:
    """Whether it is a name of something that is open, as ``/dev/stdout`` is."""
    path = Path(out)
    for _ in range(LINKS_MAX):
        if not path.is_symlink():
            break
        folder = Path(os.path.realpath(path.parent))
        if folder.is_relative_to("/proc"):
            return True
        path = folder / path.readlink()
    return False
