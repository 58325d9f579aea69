"""Tries a model in a process of its own, as a worker would run it: no database, no queue, and no other model."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import structlog

from ml_service.domain.errors import InvalidInput, NotFound
from ml_service.domain.fields import plain_field
from ml_service.domain.models import ModelSpec
from ml_service.platform.json_schemas import message_of, validator_of
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.platform.terminal import escape
from ml_service.runtime.host.model_folders import BESIDES, ModelSource, UnknownModel, discover
from ml_service.runtime.host.model_host import ModelHost
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.host.orphans import adopt_orphans, leave_orphans
from ml_service.runtime.model_answers import Failure, ModelAnswer, Postponed, Success

CLOSE = 1e-3
"""Numbers that differ by less are the same answer: floating point sums depend on the size of a batch."""
BENCH_S = 1.0
"""So long each batch size is measured at least."""
REQUESTS = 16
"""So many inputs a model that asks others is measured with: a batch each of 1, 2, 4 and 8, and one input before."""
_IDLE_S = 1.0
"""Of a model that is only to declare itself where models never sleep."""
ENOUGH = 0.9
"""A smaller batch with this share of the best rate is the better choice: its first answer comes sooner."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a batch size does: inputs a second in one process, and the milliseconds of a batch."""

    size: int
    per_second: float
    batch_ms: float


@dataclass(slots=True)
class Findings:
    """What a check found.

    Attributes:
        answers: To each example, alone.
        problems: What must be changed, a sentence each.
        notes: What its author should know.
        longest_ms: The longest call of the model; ``largest_bytes``: the largest output.
        memory_bytes: Private memory of the model's process afterwards; None where the system does not say.
    """

    answers: list[ModelAnswer] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    longest_ms: float = 0.0
    largest_bytes: int = 0
    memory_bytes: int | None = None


def source_of(name: str) -> ModelSource:
    """Where the model is; raises NotFound."""
    try:
        found = discover([name.removeprefix(BESIDES)], read_settings(WorkerSettings).models_folder)
    except UnknownModel as error:
        raise NotFound(str(error)) from None
    return found.models[name.removeprefix(BESIDES)]


@asynccontextmanager
async def on_trial(name: str) -> AsyncIterator[ModelHost]:
    """The model, loaded; raises NotFound or InvalidInput with the reason."""
    async with _started(name, lazily=False) as host:
        yield host


async def declared_by(name: str) -> ModelSpec:
    """What the model's files declare, which are imported and not loaded; raises NotFound or InvalidInput."""
    async with _started(name, lazily=True) as host:
        return host.spec


@asynccontextmanager
async def _started(name: str, *, lazily: bool) -> AsyncIterator[ModelHost]:
    # What a command prints is for another program; what the model prints is for a person.
    structlog.configure(processors=[_line_of], logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    source, settings = source_of(name), read_settings(WorkerSettings)
    os.environ.update(settings.model_variables)  # as a worker does
    limits = ModelLimits.of(settings)
    host = ModelHost(source, replace(limits, idle_s=limits.idle_s or _IDLE_S) if lazily else limits)
    adopt_orphans()  # as a worker does, or what the model started would run on after the command
    try:
        await host.start(lazily=lazily)
        if host.state not in ("ready", "sleeping"):
            raise InvalidInput(host.error)
        yield host
    finally:
        await host.close()
        leave_orphans()


def _line_of(_log: object, _level: str, event: MutableMapping[str, Any]) -> str:
    """What a person reads of an event of the host; what the command says itself is left out."""
    if event["event"] in ("model_loaded", "model_load_failed"):
        raise structlog.DropEvent
    if event["event"] == "model_output":
        return f"  | {escape(str(event['line']))}"
    if event["event"] == "model_failed_on_input":
        return f"  | {escape(str(event['error']))}" + (f" ({escape(event['at'])})" if "at" in event else "")
    more = ", ".join(f"{name} {value}" for name, value in event.items() if name not in ("event", "model", "pid"))
    return f"  {event['event'].replace('_', ' ')}" + (f": {more}" if more else "")


def why(answer: Failure | Postponed) -> str:
    """Why there is no output."""
    if isinstance(answer, Postponed):
        return f"asks to be tried again in {answer.after_s:g} s"
    return f"{answer.code}: {answer.message}"


def input_of(spec: ModelSpec, text: str) -> bytes:
    """From what a person wrote, JSON or a plain text, to an input as JSON.

    Raises:
        InvalidInput: It does not fit the model's schema.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text.rstrip("\n")
    field = plain_field(spec)
    if not isinstance(value, dict) and field is not None:
        value = {field.name: value if isinstance(value, str) else text}
    problems = [
        f"{'.'.join(map(str, error.instance_path)) or 'input'}: {message_of(error, spec.input_schema)}"
        for error in validator_of(spec.input_schema).iter_errors(value)
    ]
    if problems or not isinstance(value, dict):
        said = "; ".join(problems) or "it must be a JSON object"
        raise InvalidInput(f"The input does not fit: {said}{'' if said.endswith(('.', '?')) else '.'}")
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:  # a lone surrogate, a number beyond 64 bits, too deep
        raise InvalidInput(f"The input does not fit: {error}.") from None


async def examine(host: ModelHost) -> Findings:
    """Run the model's examples alone, again, and in batches of all sizes; compare, and measure."""
    found = Findings()
    inputs = [json.dumps(one, ensure_ascii=False) for one in host.spec.examples]
    if not inputs:
        found.problems.append("It has no examples.")
        return found
    for text in inputs:
        found.answers += await _answers(host, [text], found)
    wrong = sum(not isinstance(one, Success) for one in found.answers)
    if wrong:
        found.problems.append(f"{wrong} of {len(inputs)} examples are wrong.")
        return found
    if host.declared.is_concurrent:
        # Each further call may cost money elsewhere, and answers may differ there.
        found.notes.append("It asks others: batches and second runs are not compared.")
    else:
        await _compare(host, inputs, found)
    found.memory_bytes = _private_bytes(host.pid)
    return found


async def _compare(host: ModelHost, inputs: list[str], found: Findings) -> None:
    """Look for answers that differ in a second run, or in company: isolation would convict the wrong input."""
    again = [one for text in inputs for one in await _answers(host, [text], found)]
    if place := _first_difference(found.answers, again):
        found.problems.append(f"A second run answers example {place} in another way.")
    for size in sizes_up_to(host.spec.batch_size):
        places = [at % len(inputs) for at in range(size)]
        answers = await _answers(host, [inputs[at] for at in places], found)
        if place := _first_difference([found.answers[at] for at in places], answers):
            found.problems.append(f"In a batch of {size} the answer at place {place} is another one than alone.")
            return


async def measure(host: ModelHost, requests: int = REQUESTS) -> list[Rate]:
    """How fast each batch size is, with the model's own examples.

    Args:
        requests: How many inputs a model that asks others gets in all, for each may cost money there.

    Raises:
        InvalidInput: It has no examples, or one has no answer.
    """
    inputs = [json.dumps(one, ensure_ascii=False) for one in host.spec.examples]
    if not inputs:
        raise InvalidInput("It has no examples to measure with.")
    if host.declared.is_concurrent:
        return await _measure_sparingly(host, inputs, requests)
    for place, text in enumerate(inputs, 1):
        [answer] = await host.predict([text])
        if not isinstance(answer, Success):
            raise InvalidInput(f"Example {place} has no answer to measure: {why(answer)}")
    rates = []
    for size in sizes_up_to(host.spec.batch_size):
        batch = _batch_of(inputs, size)
        await host.predict(batch)
        began, batches = time.perf_counter(), 0
        while (took_s := time.perf_counter() - began) < BENCH_S:
            await host.predict(batch)
            batches += 1
        rates.append(Rate(size, size * batches / took_s, took_s * 1e3 / batches))
    return rates


def batches_within(requests: int, batch_size: int) -> dict[int, int]:
    """How many batches of each size are measured with so many requests in all, one of which is sent before them.

    The sizes that have room for one batch each are; what is left is spread over them.
    """
    sizes: list[int] = []
    left = requests - 1
    for size in sizes_up_to(batch_size):
        if size > left:
            break
        sizes.append(size)
        left -= size
    return {size: 1 + left // len(sizes) // size for size in sizes}


def requests_of(batches: Mapping[int, int]) -> int:
    """The requests that `measure` sends for these batches, the first one alone included."""
    return 1 + sum(size * number for size, number in batches.items())


async def _measure_sparingly(host: ModelHost, inputs: list[str], requests: int) -> list[Rate]:
    """The same for a model that asks others; what opens its connections is one request more, and not measured."""
    rates = []
    for size, batches in {0: 1, **batches_within(requests, host.spec.batch_size)}.items():
        began = time.perf_counter()
        for _ in range(batches):
            for answer in await host.predict(_batch_of(inputs, size or 1)):
                if not isinstance(answer, Success):
                    raise InvalidInput(f"One of {size or 1} requests at once has no answer to measure: {why(answer)}")
        took_s = time.perf_counter() - began
        if size:
            rates.append(Rate(size, size * batches / took_s, took_s * 1e3 / batches))
    return rates


def _batch_of(inputs: list[str], size: int) -> list[str]:
    return [inputs[at % len(inputs)] for at in range(size)]


def best_of(rates: Sequence[Rate]) -> Rate:
    """The smallest batch size that is nearly as fast as the fastest."""
    fastest = max(one.per_second for one in rates)
    return next(one for one in rates if one.per_second >= ENOUGH * fastest)


def sizes_up_to(largest: int) -> list[int]:
    """1, 2, 4 … and the largest."""
    return [*(2**power for power in range(math.ceil(math.log2(largest)))), largest] if largest > 1 else [1]


async def _answers(host: ModelHost, inputs: list[str], found: Findings) -> list[ModelAnswer]:
    answers = await host.predict(inputs)
    for one in answers:
        found.longest_ms = max(found.longest_ms, one.predict_ms)
        if isinstance(one, Success):
            found.largest_bytes = max(found.largest_bytes, len(one.output_json.encode()))
    return answers


def _first_difference(one: Sequence[ModelAnswer], other: Sequence[ModelAnswer]) -> int | None:
    """The place, counted from 1, where answers differ."""
    pairs = enumerate(zip(one, other, strict=True), 1)
    return next((place for place, (left, right) in pairs if not _is_same_answer(left, right)), None)


def _is_same_answer(one: ModelAnswer, other: ModelAnswer) -> bool:
    if isinstance(one, Success) and isinstance(other, Success):
        return _is_close(json.loads(one.output_json), json.loads(other.output_json))
    return False


def _is_close(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_close(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_close, one, other))
    if isinstance(one, float) or isinstance(other, float):
        is_number = all(isinstance(each, int | float) for each in (one, other))
        return is_number and math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)


def _private_bytes(pid: int | None) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines["RssAnon"].split()[0]) * 1024 if "RssAnon" in lines else None
