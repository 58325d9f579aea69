"""A session of ONNX Runtime whose weights all processes map from one file, arranged as it computes with them.

ONNX Runtime arranges a graph's matrices for the processor when a session is made, in each process's own memory. It
can also write them, arranged, and map them from then on. It still arranges them at every start, but then looks the
result up in the file by its hash, and frees its own: where the file is another processor's, it keeps its own. The
files lie beside those of `shared_arrays`; without a folder for them a session's weights stay private.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; for tools, where no worker has set it
import onnxruntime

from ml_service.runtime.bundled.shared_arrays import FOLDER_VARIABLE, Arrays, alone, content_sha256

NO_ARRAYS_SHA256 = content_sha256({})

_GRAPH, _WEIGHTS, _DIGESTS = "graph.onnx", "weights", "sha256"
_ERRORS_ONLY = 3
# Smaller arrays stay inside of the graph's own file.
_WEIGHTS_BYTES_MIN = 1024


class SharedSession:
    """Runs a graph on one thread."""

    def __init__(self, session: Any, arrays: Arrays | None = None) -> None:
        """Take the session, and the arrays into which it keeps pointers."""
        self._session = session
        self._arrays = arrays

    @property
    def is_mapped(self) -> bool:
        """Whether other processes have the same memory."""
        return self._arrays is None

    def run(self, outputs: Sequence[str] | None, inputs: Arrays) -> Any:
        """Return the outputs, as `onnxruntime.InferenceSession.run` does."""
        return self._session.run(outputs, inputs)


def shared_session(
    name: str, graph: Path, sha256: str = NO_ARRAYS_SHA256, make: Callable[[], Arrays] = dict
) -> SharedSession:
    """Make a session from the mapped files, and make those first where that has not been done.

    Args:
        name: What the files' folder begins with.
        graph: The ONNX file.
        sha256: What `content_sha256` says of `make`'s arrays.
        make: Makes the weights that the graph names and does not have, by name.
    """
    if folder := os.environ.get(FOLDER_VARIABLE):
        beginning = f"{name}-"
        place = Path(folder, f"{beginning}{_key(graph, sha256)}.session")
        with suppress(OSError):
            if not _is_whole(place):
                with alone(place.with_suffix(".lock")):
                    if not _is_whole(place):
                        _write(place, beginning, graph, sha256, make)
            return SharedSession(_mapped(place))
    arrays = make()
    return SharedSession(_session(graph, _options(arrays)), arrays)


def _key(graph: Path, sha256: str) -> str:
    """Say what the files depend on: the graph and its weights, the library and the processor."""
    parts = (hashlib.sha256(graph.read_bytes()).hexdigest(), sha256, onnxruntime.__version__, _processor())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.machine() + platform.processor()


def _is_whole(place: Path) -> bool:
    """Whether the files are there and undamaged."""
    with suppress(OSError):
        return (place / _DIGESTS).read_text() == _digests(place)
    return False


def _digests(place: Path) -> str:
    digests = []
    for name in (_GRAPH, _WEIGHTS):
        # Read, not mapped: a mapping would count all of it as this process's memory.
        with (place / name).open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return " ".join(digests)


def _write(place: Path, beginning: str, graph: Path, sha256: str, make: Callable[[], Arrays]) -> None:
    """Write the files beside their place and put them there whole; what earlier versions left goes.

    Raises:
        OSError: They cannot be written, or the arrays are not the expected ones.
    """
    import shutil  # noqa: PLC0415 - nearly all processes only map the files
    import tempfile  # noqa: PLC0415 - the same

    arrays = make()
    if content_sha256(arrays) != sha256:
        raise OSError(f"{graph.name} is for other weights")
    made = Path(tempfile.mkdtemp(dir=place.parent, prefix=f"{place.name}."))
    try:
        _save(made, graph, arrays)
        (made / _DIGESTS).write_text(_digests(made))
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    for other in place.parent.glob(f"{beginning}*.session*"):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)


def _mapped(place: Path) -> Any:
    try:
        return _session(place / _GRAPH, _options())
    except Exception as error:  # as in `_save`; another version may just have deleted the files
        raise OSError(f"{place} cannot be mapped: {error}") from error


def _save(made: Path, graph: Path, arrays: Arrays) -> None:
    options = _options(arrays)
    options.optimized_model_filepath = str(made / _GRAPH)
    for setting, value in (
        ("optimized_model_external_initializers_file_name", _WEIGHTS),
        ("optimized_model_external_initializers_min_size_in_bytes", str(_WEIGHTS_BYTES_MIN)),
        ("save_external_prepacked_constant_initializers", "1"),
    ):
        options.add_session_config_entry(f"session.{setting}", value)
    try:
        _session(graph, options)
    except Exception as error:  # the library's errors share no other base; a full disk is one of them
        raise OSError(f"{made} cannot be written: {error}") from error


def _options(arrays: Arrays | None = None) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread: a worker has a process per model, and inputs are too short to share among cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Its arena gives nothing back, 6 MiB after one long text; the heap does when a model is idle.
    options.enable_cpu_mem_arena = False
    if arrays:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
        options.add_external_initializers(list(arrays), values)
    return options


def _session(graph: Path, options: Any) -> Any:
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
