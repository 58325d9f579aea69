"""A model's own process: loads the model and answers batches over one private socket.

It may crash, hang or be killed at any time: the host (`ml_service.runtime.host`) decides what that means. It imports
little: each model has one.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_service.platform.free_memory import give_back, keep_freed_blocks
from ml_service.runtime import frames
from ml_service.runtime.author.declarations import declarations_of
from ml_service.runtime.author.model import PredictionFailure, Retry
from ml_service.runtime.author.signature import WrongSignature, call_form
from ml_service.runtime.author.weights import WrongWeights, refuse_missing_packages, verified
from ml_service.runtime.child.calls import Calls, OutOfTime
from ml_service.runtime.child.confinement import confine, limit_memory
from ml_service.runtime.child.importing import ModelImportError, how_to_install, import_model
from ml_service.runtime.child.outputs import InvalidOutput, OutputEncoder
from ml_service.runtime.child.reports import full_place_of, place_of, print_way_to, untrusted_types
from ml_service.runtime.model_answers import (
    INPUT_REJECTED,
    MODEL_ERROR,
    MODEL_OUT_OF_MEMORY,
    MODEL_TIMEOUT,
    OUTPUT_INVALID,
)

if TYPE_CHECKING:
    from ml_service.runtime.child.concurrent_calls import ConcurrentCalls

# Bound before the model's code runs: a model may replace what it finds in these modules.
_write, _read = os.write, os.read
IDLE_S = 5.0
"""A model that was not asked for so long gives back what its answers have freed."""


def main() -> None:
    """Load and serve until the host hangs up."""
    wire, options = int(sys.argv[1]), json.loads(sys.argv[2])
    confine(wire, options["parent_pid"], options["memory_bytes_max"])
    keep_freed_blocks()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    me = os.getpid()
    BatchServer(wire, options["output_bytes_max"]).run(options["name"], options["path"])
    if os.getpid() != me:
        # A fork that the model made and that came all the way here; its exit handlers are the model's own.
        os._exit(0)


class BatchServer:
    """Answers batches from one descriptor."""

    def __init__(self, wire: int, output_bytes_max: int) -> None:
        self._wire = wire
        self._waiting = select.poll()
        self._waiting.register(wire, select.POLLIN)
        self._output_bytes_max = output_bytes_max
        self._folder: Path
        self._outputs: OutputEncoder
        self._calls: Calls
        self._concurrent: ConcurrentCalls | None = None
        self._is_batch = True
        self._flush_s = frames.FLUSH_S_MAX

    def run(self, name: str, path: str) -> None:
        """Load the model, say so, and answer until the end of file."""
        self._folder = Path(path).parent
        try:
            if not self._load(name, path):
                return
        except (ModelImportError, WrongWeights) as error:
            self._send(frames.frame(frames.UNLOADED, str(error).encode(errors="replace")))
            return
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit included
            print_way_to(error, self._folder)
            self._send(frames.frame(frames.UNLOADED, _load_error(error, self._folder).encode(errors="replace")))
            return
        give_back()  # reading weights may have taken twice their memory
        self._send(frames.frame(frames.LOADED))
        while request := self._receive():
            kind, payload = request
            per_call, inputs = frames.read_batch(payload)
            contexts: list[str] = []
            if kind == frames.REQUESTS:
                half = len(inputs) // 2
                inputs, contexts = inputs[:half], inputs[half:]
            for first in range(0, len(inputs), per_call):
                here = slice(first, first + per_call)
                if self._is_batch:
                    self._answer(first, inputs[here], contexts[here])
                elif self._concurrent is None:
                    self._answer_one_by_one(first, inputs[here], contexts[here])
                else:
                    self._answer_at_once(self._concurrent, first, inputs[here], contexts[here])

    def _load(self, name: str, path: str) -> bool:
        """Load the model; False where the host has hung up instead, as it does on what it refuses."""
        model_class = import_model(name, path)
        try:
            form = call_form(model_class)
            declarations = declarations_of(model_class, form)
            call = {"takes_context": form.context is not None, "is_concurrent": form.is_concurrent}
            declared = json.dumps({**declarations, "call": call}, ensure_ascii=False).encode()
        except WrongSignature as error:
            raise ModelImportError(f"{path}: {error}") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise ModelImportError(f"{path} declares what is no JSON: {error}.") from error
        refuse_missing_packages(self._folder)
        self._send(frames.frame(frames.DECLARED, declared))
        if self._receive() is None:
            return False
        if isinstance(own_limit := model_class.memory_bytes_max, int):
            limit_memory(own_limit)
        if isinstance(own_limit := model_class.output_bytes_max, int):
            self._output_bytes_max = own_limit
        output_schema = declarations.get("output_schema")
        if form.output_adapter is None:
            self._outputs = OutputEncoder(output_schema, self._output_bytes_max)
        else:
            from ml_service.runtime.child.typed_outputs import typed_encoder  # noqa: PLC0415 - only models with types pay

            self._outputs = typed_encoder(form.output_adapter, output_schema, self._output_bytes_max)
        self._is_batch = form.is_batch
        verified(self._folder)
        model = model_class()
        if form.is_async or inspect.iscoroutinefunction(model.load):
            from ml_service.runtime.child.concurrent_calls import ConcurrentCalls  # noqa: PLC0415 - asyncio is large

            calls = ConcurrentCalls(model, form, declarations.get("input_schema"), model_class.timeout_s)
            self._concurrent = calls if form.is_concurrent else None
            self._calls = calls
        else:
            self._calls = Calls(model, form, declarations.get("input_schema"))
        self._flush_s = frames.flush_s(model_class.timeout_s)
        self._calls.load()
        return True

    def _answer(self, first: int, inputs: list[str], contexts: list[str]) -> None:
        """Answer neighbours of a batch; where the model raises, halve them until each has its answer."""
        started = time.perf_counter()
        try:
            answers = [self._encoded(output) for output in self._calls.batch(inputs, contexts)]
        except Retry as error:
            # What a batch waits for is not an input's fault.
            predict_ms = (time.perf_counter() - started) * 1e3
            self._hand_over(first, predict_ms, [self._failed(error)] * len(inputs))
            return
        except BaseException as error:  # noqa: BLE001 - the same
            predict_ms = (time.perf_counter() - started) * 1e3
            if len(inputs) == 1:
                self._send(frames.answers_frame(first, predict_ms, [self._failed(error)]))
                return
            self._send(frames.frame(frames.TROUBLE))
        else:
            self._hand_over(first, (time.perf_counter() - started) * 1e3, answers)
            return
        # Outside of the handler, so that what a MemoryError's traceback holds on to is free again.
        half = len(inputs) // 2
        self._answer(first, inputs[:half], contexts[:half])
        self._answer(first + half, inputs[half:], contexts[half:])

    def _answer_one_by_one(self, first: int, inputs: list[str], contexts: list[str]) -> None:
        """Answer inputs of a model that takes one at a time: nothing has to be halved."""
        started = time.perf_counter()
        answers: list[bytes] = []
        for output in self._calls.one_by_one(inputs, contexts):
            answers.append(self._encoded(output))
            if time.perf_counter() - started > self._flush_s:
                self._hand_over(first, (time.perf_counter() - started) * 1e3, answers)
                first, started = first + len(answers), time.perf_counter()
                answers = []
        self._hand_over(first, (time.perf_counter() - started) * 1e3, answers)

    def _answer_at_once(self, calls: ConcurrentCalls, first: int, inputs: list[str], contexts: list[str]) -> None:
        """Answer inputs of a model that waits for others, each as soon as it is ready."""
        places: list[int] = []
        times: list[float] = []
        answers: list[bytes] = []

        def take(place: int, predict_ms: float, output: Any) -> None:
            places.append(first + place)
            times.append(predict_ms)
            answers.append(self._encoded(output))
            if sum(map(len, answers)) >= frames.ANSWERS_FLUSH_BYTES:
                flush()

        def flush() -> None:
            if answers:
                self._send(frames.scattered_frame(places, times, answers))
                for each in (places, times, answers):
                    each.clear()

        calls.at_once(inputs, contexts, take, flush)

    def _encoded(self, output: Any) -> bytes:
        if isinstance(output, BaseException):
            return self._failed(output)
        try:
            return self._outputs.encode(output)
        except Exception as error:  # noqa: BLE001 - this output's own error, whatever it is made of
            return self._failed(error)

    def _failed(self, error: BaseException) -> bytes:
        return _failure(error, self._folder)

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
            view = view[_write(self._wire, view) :]

    def _receive(self) -> tuple[int, bytes] | None:
        """Return the next frame, or nothing when the host has hung up."""
        if not self._waiting.poll(IDLE_S * 1e3):
            give_back()
        header = self._read_exactly(frames.HEADER_BYTES)
        if header is None:
            return None
        length = int.from_bytes(header[: frames.LENGTH_BYTES])
        payload = self._read_exactly(length - 1)
        return None if payload is None else (header[-1], payload)

    def _read_exactly(self, length: int) -> bytes | None:
        data = bytearray()
        while len(data) < length:
            some = _read(self._wire, min(length - len(data), 2**20))
            if not some:
                return None
            data += some
        return bytes(data)


def _failure(error: BaseException, folder: Path) -> bytes:
    """Turn what the model raised, or returned in an output's place, into an answer; details go to the log."""
    if isinstance(error, PredictionFailure):
        return frames.failure(INPUT_REJECTED, _text_of(error) or "The model has no answer to this input.")
    if isinstance(error, Retry):
        return frames.failure(frames.RETRY, repr(error.after_s))
    if isinstance(error, OutOfTime):
        return frames.failure(MODEL_TIMEOUT, str(error))
    if isinstance(error, MemoryError):
        return frames.failure(MODEL_OUT_OF_MEMORY, "This input takes more memory than the model may use.")
    if isinstance(error, InvalidOutput):
        return frames.failure(OUTPUT_INVALID, f"The model returned {error}.")
    print_way_to(error, folder)
    # What an exception says may be meant for the operator only; its kind is harmless.
    kind = type(error).__name__
    cause = " ".join(f"{kind}: {_text_of(error)}".split())
    message = f"The model failed on this input ({kind})."
    return frames.failure(MODEL_ERROR, message, place=full_place_of(error, folder), cause=cause)


def _load_error(error: BaseException, folder: Path) -> str:
    if isinstance(error, MemoryError):
        return "The model needs more memory to load than it may take (memory_bytes_max)."
    if untrusted := untrusted_types(error):
        return (
            f"The file of skops holds types that it loads only where they are named{place_of(error, folder)}. "
            f"If you made the file yourself, pass skops.io.load trusted={untrusted}"
        )
    remedy = f". {how_to_install(folder)}" if isinstance(error, ModuleNotFoundError) else ""
    text = " ".join(_text_of(error).split())
    return f"Loading it raised {type(error).__name__}: {text}{place_of(error, folder)}{remedy}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a model's own exception may do anything
        return ""
