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
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER_VARIABLE = "ML_SERVICE_WEIGHTS_FOLDER"
LOCK_WAIT_S = 60.0
"""A process that makes the file may be stopped meanwhile: then the others do without it."""

_ALIGNMENT_BYTES = 64
_LENGTH_BYTES = 8
_BEGIN_MAX = 10**12

Arrays = Mapping[str, NDArray[Any]]


class Rows:
    """The rows of a matrix in a file, read when they are asked for.

    Of a large table a text needs a few rows. Were it mapped, each would bring the 64 KiB around it into the process.
    """

    def __init__(self, file: Path, kind: np.dtype[Any], start: int, columns: int) -> None:
        """Open the file, which has ``columns`` numbers of ``kind`` in a row, from the byte ``start`` on."""
        self._kind, self._start, self._columns = kind, start, columns
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def __getitem__(self, numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Return an array of these rows, which there are."""
        size, start = self._columns * self._kind.itemsize, self._start
        read = [os.pread(self._descriptor, size, start + size * number) for number in np.asarray(numbers).tolist()]
        return np.frombuffer(b"".join(read), self._kind).reshape(len(read), self._columns)


class SharedArrays:
    """Read-only arrays by name."""

    def __init__(self, arrays: Arrays, file: Path | None = None, starts: Mapping[str, int] | None = None) -> None:
        """Hold arrays that are mapped from ``file``, where they have their ``starts``, or are this process's own."""
        self.arrays = arrays
        self._file = file
        self._starts = starts or {}

    @property
    def are_mapped(self) -> bool:
        """Whether other processes have the same memory."""
        return self._file is not None

    def rows(self, name: str) -> Rows | NDArray[Any]:
        """Return a matrix for reading single rows: without mapping it, where it lies in a file."""
        matrix = self.arrays[name]
        if self._file is not None:
            with suppress(FileNotFoundError):  # another version has deleted it since it was mapped
                return Rows(self._file, matrix.dtype, self._starts[name], matrix.shape[1])
        return matrix


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
        with alone(file.with_suffix(".lock")):
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
            length = int.from_bytes(content[:_LENGTH_BYTES], "little")
            arrays, starts = {}, {}
            for name, kind, shape, start in json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length]):
                count = int(np.prod(shape, dtype=np.int64))
                arrays[name] = np.frombuffer(content, dtype=kind, count=count, offset=start).reshape(shape)
                starts[name] = start
            return SharedArrays(arrays, file, starts)
    return None


@contextmanager
def alone(lock: Path) -> Iterator[None]:
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
    import tempfile  # noqa: PLC0415 - nearly all processes only map the file

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
