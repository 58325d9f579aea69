"""Arrays that all processes map from one file, where each would otherwise have a copy of its own.

The file lies in the folder that the native engine names, and is made by whichever process needs it first. Its name and
content are fixed by a SHA-256 in the code: a file with another one is made again. Without such a folder, as in a
container, or where it cannot be written, arrays stay private.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER_VARIABLE = "ML_SERVICE_WEIGHTS_FOLDER"
LOCK_WAIT_S = 10.0
"""A process that makes the file may be stopped meanwhile: then the others do without it."""

_ALIGNMENT_BYTES = 64
_LENGTH_BYTES = 8
_BEGIN_MAX = 10**12

Arrays = Mapping[str, NDArray[Any]]


class SharedArrays:
    """Read-only arrays by name."""

    def __init__(self, arrays: Arrays, mapped: mmap.mmap | None = None) -> None:
        """Hold arrays that lie in ``mapped``, or in this process's own memory."""
        self.arrays = arrays
        self._mapped = mapped

    @property
    def are_mapped(self) -> bool:
        """Whether other processes have the same memory."""
        return self._mapped is not None

    def give_back(self) -> None:
        """Let go of the pages that were read, where they can be read again from the file."""
        if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


def shared_arrays(name: str, sha256: str, make: Callable[[], Arrays]) -> SharedArrays:
    """Map the arrays, and make them first where that has not been done.

    Args:
        name: What the file's name begins with.
        sha256: Of the whole file; of what `content_sha256` is the hash.
        make: Makes the arrays.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return SharedArrays(make())
    file = Path(folder) / f"{name}-{sha256[:16]}.arrays"
    if found := _mapped(file, sha256):
        return found
    try:
        with _alone(file.with_suffix(".lock")):
            found = _mapped(file, sha256)
            if found is None:
                _write(file, sha256, make)
                found = _mapped(file, sha256)
    except OSError:
        found = None
    return found or SharedArrays(make())


def content_sha256(arrays: Arrays) -> str:
    """Return the SHA-256 of a file with these arrays."""
    digest = hashlib.sha256()
    for part in _parts(arrays):
        digest.update(part)
    return digest.hexdigest()


def _mapped(file: Path, sha256: str) -> SharedArrays | None:
    """Map the file; None where it is missing or damaged."""
    with suppress(OSError, ValueError), file.open("rb") as opened:
        # Read for the hash, not through the mapping: that would count all of it as this process's memory.
        if hashlib.file_digest(opened, "sha256").hexdigest() == sha256:
            content = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
            return SharedArrays(dict(_read(content)), content)
    return None


def _read(content: mmap.mmap) -> Iterator[tuple[str, NDArray[Any]]]:
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    for name, kind, shape, start in json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length]):
        count = int(np.prod(shape, dtype=np.int64))
        yield name, np.frombuffer(content, dtype=kind, count=count, offset=start).reshape(shape)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold the lock; raises TimeoutError, an OSError, where somebody has it for long."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    end = time.monotonic() + LOCK_WAIT_S
    with lock.open("ab") as opened:
        while True:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise TimeoutError(f"{lock} is held") from error
                time.sleep(0.02)
        yield


def _write(file: Path, sha256: str, make: Callable[[], Arrays]) -> None:
    """Write the file beside its place and put it there whole; what earlier versions left goes."""
    descriptor, path = tempfile.mkstemp(dir=file.parent, prefix=f"{file.stem}.")
    try:
        with os.fdopen(descriptor, "wb") as opened:
            for part in _parts(make()):
                opened.write(part)
        Path(path).chmod(0o400)
        Path(path).replace(file)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    beginning = file.name.removesuffix(f"-{sha256[:16]}.arrays")
    for other in file.parent.glob(f"{beginning}-*.arrays*"):
        if other != file:
            other.unlink(missing_ok=True)


def _parts(arrays: Arrays) -> Iterator[bytes | memoryview]:
    """The file: the length of a table, the table as JSON, and each array where the table says."""
    starts, size = [], 0
    for array in arrays.values():
        starts.append(size)
        size = _aligned(size + array.nbytes)

    def table(begin: int) -> bytes:
        entries = zip(arrays.items(), starts, strict=True)
        return json.dumps(
            [[name, array.dtype.str, array.shape, begin + start] for (name, array), start in entries]
        ).encode()

    # Starts count from the file's beginning, and the table's length depends on their digits: room for the longest.
    begin = _aligned(_LENGTH_BYTES + len(table(_BEGIN_MAX)))
    text = table(begin)
    yield len(text).to_bytes(_LENGTH_BYTES, "little")
    yield text.ljust(begin - _LENGTH_BYTES)
    for array in arrays.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        yield b"\0" * (_aligned(array.nbytes) - array.nbytes)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
