"""The files of a folder as they are sent: compressed once, with a tag of their content."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
}
_COMPRESSED = {"html", "js", "css", "json", "svg"}
_SEGMENT = r"[A-Za-z0-9_@-][A-Za-z0-9._@-]*"
_NAME = re.compile(rf"(?:{_SEGMENT}/)*{_SEGMENT}\.(?P<suffix>{'|'.join(MEDIA_TYPES)})")
_COMPRESSION_LEVEL = 9


@dataclass(frozen=True, slots=True)
class File:
    """One version of a file."""

    media_type: str
    tag: str
    content: bytes
    packed: bytes | None
    """Compressed; None where the kind of file gains nothing by it."""


class Files:
    """What is in ``folder``. A file that was changed is read again: nothing has to be restarted for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int, int], File]] = {}

    async def find(self, name: str) -> File | None:
        """The file ``name``; None where there is none, or none of a kind that is shown."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        path = self._folder / name
        try:
            state = os.stat(path)  # noqa: PTH116  takes microseconds, and a thread would take more
        except OSError:
            return None
        version = (state.st_mtime_ns, state.st_size, state.st_ino)
        known = self._read.get(name)
        if known is None or known[0] != version:
            try:
                known = version, await asyncio.to_thread(_read, path, match["suffix"])
            except OSError:
                return None
            self._read[name] = known
        return known[1]


def _read(path: Path, suffix: str) -> File:
    content = path.read_bytes()
    packed = gzip.compress(content, _COMPRESSION_LEVEL, mtime=0) if suffix in _COMPRESSED else None
    return File(MEDIA_TYPES[suffix], hashlib.sha256(content).hexdigest()[:32], content, packed)
