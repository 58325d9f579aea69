"""A model's own process: ``python -m ml_service.runtime.child <descriptor> <options as JSON>``.

It loads the model and answers batches over one private descriptor. It may crash, hang or be killed at any
time: the host (`ml_service.runtime.host`) decides what that means. It imports little: each model has one.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from ml_service.runtime import frames
from ml_service.runtime.answers import INPUT_REJECTED, MODEL_ERROR, MODEL_OUT_OF_MEMORY
from ml_service.runtime.importing import ModelImportError, import_model
from ml_service.runtime.model import Model, PredictionFailure, declarations_of

_PR_SET_PDEATHSIG = 1

# NaN and infinity are not JSON: they are an error here, not a surprise in the database.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class _NotAnAnswer(Exception):
    """What the model returned for one input cannot be stored."""


def main() -> None:
    """Load and serve until the host hangs up."""
    descriptor, options = int(sys.argv[1]), json.loads(sys.argv[2])
    _tie_to_parent(options["parent_pid"])
    _guard(options["memory_bytes_max"])
    # The descriptor goes no further: a program that the model starts must not keep it open.
    # It closes with the process, so that its end of file means that the process is gone.
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - the signature is Python's
    with open(descriptor, "r+b", buffering=0, closefd=False) as wire:
        Server(wire, options["output_bytes_max"]).run(options["name"], options["path"])


def _tie_to_parent(parent_pid: int) -> None:
    """Die with the worker, however it dies. Elsewhere the descriptor's end of file does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we asked to be told
        os._exit(1)


def _guard(memory_bytes_max: int) -> None:
    """Limit what a model can do to the machine, and make its last words readable."""
    # The parent decides when we stop; Ctrl-C in a terminal and a service manager's SIGTERM reach us too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(memory_bytes_max)
    # Should the machine run out of memory all the same, the kernel is to end the model, not the database.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")


def _limit_memory(memory_bytes_max: int) -> None:
    """Limit private writable memory: unlike RLIMIT_AS it leaves out weights that are mapped from a file."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = memory_bytes_max if hard == resource.RLIM_INFINITY else min(memory_bytes_max, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


class Server:
    """Answers batches from one descriptor."""

    def __init__(self, wire: BinaryIO, output_bytes_max: int) -> None:
        self._wire = wire
        self._output_bytes_max = output_bytes_max
        self._model: Model

    def run(self, name: str, path: str) -> None:
        """Load the model, say so, and answer until the end of file."""
        try:
            model_class = import_model(name, path)
            declarations = _encode(declarations_of(model_class)).encode()
            if isinstance(own_limit := model_class.memory_bytes_max, int):
                _limit_memory(own_limit)
            self._model = model_class()
            self._model.load()
        except ModelImportError as error:
            self._send(frames.frame(frames.UNLOADED, str(error).encode(errors="replace")))
            return
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit included
            traceback.print_exc()
            self._send(frames.frame(frames.UNLOADED, _load_error(error).encode(errors="replace")))
            return
        self._send(frames.frame(frames.LOADED, declarations))
        while payload := self._receive():
            per_call, inputs = frames.read_batch(payload)
            for first in range(0, len(inputs), per_call):
                self._answer(first, inputs[first : first + per_call])

    def _answer(self, first: int, inputs: list[str]) -> None:
        """Answer neighbours of a batch; where the model raises, halve them until each has its answer."""
        started = time.perf_counter()
        try:
            answers = list(self._call(inputs))
        except BaseException as error:  # noqa: BLE001 - the same
            predict_ms = (time.perf_counter() - started) * 1e3
            if len(inputs) == 1:
                self._send(frames.answers_frame(first, predict_ms, [_failure(error)]))
                return
            self._send(frames.frame(frames.TROUBLE))
        else:
            self._hand_over(first, (time.perf_counter() - started) * 1e3, answers)
            return
        # Outside of the handler, so that what a MemoryError's traceback holds on to is free again.
        half = len(inputs) // 2
        self._answer(first, inputs[:half])
        self._answer(first + half, inputs[half:])

    def _call(self, texts: list[str]) -> Iterator[bytes]:
        """Call the model once; yield an answer per input.

        The texts are decoded for each call anew: a model may have changed the inputs of the call that failed.
        """
        inputs = [_decode(text) for text in texts]
        outputs = self._model.predict(inputs)
        if not isinstance(outputs, Sequence) or len(outputs) != len(inputs):
            raise _NotAnAnswer(f"{_count(outputs)} for {len(inputs)} inputs")
        for output in outputs:
            if isinstance(output, BaseException):
                yield _failure(output)
                continue
            try:
                yield self._encoded(output)
            except Exception as error:  # noqa: BLE001 - this output's own error, whatever it is made of
                yield _failure(error)

    def _encoded(self, output: Any) -> bytes:
        if not isinstance(output, dict):
            raise _NotAnAnswer(f"a {type(output).__name__} and not a dict")
        try:
            encoded = _encode(output).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _NotAnAnswer(f"no JSON ({error})") from error
        if len(encoded) > self._output_bytes_max:
            raise _NotAnAnswer(f"{len(encoded)} bytes of JSON; the limit is {self._output_bytes_max}")
        # PostgreSQL's text has no NUL. Rare enough to decode once more: "\\u0000" is spelled alike.
        if b"\\u0000" in encoded and _has_nul(output):
            raise _NotAnAnswer("a text with a NUL character")
        return encoded

    def _hand_over(self, first: int, predict_ms: float, answers: list[bytes]) -> None:
        size, begin = 0, 0
        for place, answer in enumerate(answers):
            size += len(answer) + 1
            if size >= frames.ANSWERS_FLUSH_BYTES:
                self._send(frames.answers_frame(first + begin, predict_ms, answers[begin : place + 1]))
                size, begin = 0, place + 1
        if begin < len(answers):
            self._send(frames.answers_frame(first + begin, predict_ms, answers[begin:]))

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._wire.fileno(), view) :]

    def _receive(self) -> bytes:
        """Return the next batch, or nothing when the host has hung up."""
        header = self._read(frames.HEADER_BYTES)
        if not header:
            return b""
        length = int.from_bytes(header[: frames.LENGTH_BYTES])
        return self._read(length - 1)

    def _read(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            some = os.read(self._wire.fileno(), min(length - len(data), 2**20))
            if not some:
                return b""
            data += some
        return bytes(data)


def _failure(error: BaseException) -> bytes:
    """Turn what the model raised, or returned in an output's place, into an answer; details go to the log."""
    if isinstance(error, PredictionFailure):
        return frames.failure(INPUT_REJECTED, str(error) or "The model has no answer to this input.")
    if isinstance(error, MemoryError):
        print("The model ran out of memory on one input.", file=sys.stderr)  # noqa: T201 - that is the log
        return frames.failure(MODEL_OUT_OF_MEMORY, "This input takes more memory than the model may use.")
    if isinstance(error, _NotAnAnswer):
        print(f"The model returned {error}.", file=sys.stderr)  # noqa: T201
        return frames.failure(MODEL_ERROR, f"The model returned {error}.")
    traceback.print_exception(error)
    # What an exception says may be meant for the operator only; its kind is harmless.
    return frames.failure(MODEL_ERROR, f"The model failed on this input ({type(error).__name__}).")


def _load_error(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "The model needs more memory to load than it may take (memory_bytes_max)."
    return f"The model cannot be loaded: {type(error).__name__}: {error}"


def _count(outputs: object) -> str:
    return f"{len(outputs)} outputs" if isinstance(outputs, Sequence) else f"a {type(outputs).__name__}"


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(each) for key, each in value.items())
    return isinstance(value, (list, tuple)) and any(map(_has_nul, value))


if __name__ == "__main__":
    main()
