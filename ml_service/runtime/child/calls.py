"""Calls a model's `predict` as its signature wants it: with a batch, or with one input after another.

What comes back for an input is an output, or the exception that stands in its place. Models with coroutines are called
by `ml_service.runtime.child.concurrent_calls`, which alone imports asyncio.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from datetime import datetime
from typing import Any

from ml_service.runtime.author.model import Context, Model, PredictionFailure
from ml_service.runtime.author.signature import CallForm
from ml_service.runtime.child.defaults import filler
from ml_service.runtime.child.outputs import InvalidOutput

# Bound before the model's code runs: a model may replace what it finds in these modules.
_decode = json.JSONDecoder().decode


class OutOfTime(Exception):
    """An input took longer than ``timeout_s``; the message says so."""


class Calls:
    """A loaded model and how it is called.

    Args:
        input_schema: Where it was written by hand, its defaults are filled in.
    """

    def __init__(self, model: Model, form: CallForm, input_schema: Any) -> None:
        self._predict: Callable[..., Any]
        self._model = model
        self._form = form
        self._fill = None if form.read else filler(input_schema)

    def load(self) -> None:
        """Run the model's `load`, which may choose another `predict`."""
        self._model.load()
        self._predict = self._model.predict

    def batch(self, texts: Sequence[str], contexts: Sequence[str]) -> list[Any]:
        """Call a model that takes batches once, and return what stands for each input.

        Raises:
            BaseException: What the model raised.
            InvalidOutput: It returned no list, or one of another length.
        """
        # Decoded again for each call: a model may have changed the inputs of the call that failed. Their number is that
        # of the texts: a model may have emptied the list of its inputs.
        if self._form.read is None:
            return _listed(self._returned(self._dicts(texts), contexts), len(texts))
        inputs = [_read_or_failure(self._form.read, text) for text in texts]
        refused = {at: one for at, one in enumerate(inputs) if isinstance(one, PredictionFailure)}
        if len(refused) == len(texts):
            return inputs
        fitting = [one for at, one in enumerate(inputs) if at not in refused]
        contexts = [one for at, one in enumerate(contexts) if at not in refused]
        answered = iter(_listed(self._returned(fitting, contexts), len(texts) - len(refused)))
        return [refused[at] if at in refused else next(answered) for at in range(len(texts))]

    def _returned(self, inputs: list[Any], contexts: Sequence[str]) -> Any:
        if self._form.context is None:
            return self._predict(inputs)
        return self._predict(inputs, **{self._form.context: [_context(one) for one in contexts]})

    def one_by_one(self, texts: Sequence[str], contexts: Sequence[str]) -> Iterator[Any]:
        """Call a model that takes one input for each, and yield what stands for it as soon as it is known."""
        for text, context in itertools.zip_longest(texts, contexts):
            try:
                output = self._predict(**self._arguments(text, context))
            except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit included
                output = error
            yield output

    def _arguments(self, text: str, context: str | None) -> dict[str, Any]:
        """Return the arguments by name; raises PredictionFailure for an input that does not fit the types."""
        value = self._dicts([text])[0] if self._form.read is None else self._form.read(text)
        arguments = dict(value) if self._form.input_name is None else {self._form.input_name: value}
        if self._form.context is not None:
            arguments[self._form.context] = _context(context)
        return arguments

    def _dicts(self, texts: Sequence[str]) -> list[Any]:
        values = [_decode(text) for text in texts]
        if self._fill is not None:
            for one in values:
                self._fill(one)
        return values


def _read_or_failure(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except PredictionFailure as failure:
        return failure


def _context(text: str | None) -> Context:
    said = _decode(text or "{}")
    deadline = said.get("deadline")
    return Context(
        said.get("prediction_id", ""),
        said.get("user", ""),
        said.get("attempt", 1),
        datetime.fromisoformat(deadline) if deadline else None,
    )


def _listed(outputs: Any, wanted: int) -> list[Any]:
    """Return the outputs as a list of the right length.

    Raises:
        InvalidOutput: They are something else, or too few, or too many.
    """
    if not isinstance(outputs, Iterable) or isinstance(outputs, (str, bytes, Mapping, set, frozenset)):
        raise InvalidOutput(
            f"{_kind(outputs)} for {wanted} inputs", ", where a list with an output for each input is needed"
        )
    # A generator may have no end: one more than wanted is enough to know.
    listed = list(itertools.islice(outputs, wanted + 1))
    if len(listed) != wanted:
        count = len(outputs) if isinstance(outputs, Sized) else "more" if len(listed) > wanted else len(listed)
        raise InvalidOutput(f"{count} outputs for {wanted} inputs")
    return listed


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
