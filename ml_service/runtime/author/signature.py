"""How a model's `predict` is called: read from its parameters, and from their types where the class has no schema."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ml_service.runtime.author.model import Context, JsonObject, Model

if TYPE_CHECKING:
    from pydantic import TypeAdapter

BATCH, WHOLE = "inputs", "input"
"""The names of a parameter that gets a list of all inputs of a call, or one input as one object."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class WrongSignature(Exception):
    """`predict` cannot be called, or its types make no schema; the message, one sentence, says what to write."""


@dataclass(frozen=True, slots=True)
class CallForm:
    """How to call `predict`.

    Attributes:
        is_batch: It gets all inputs of a call as a list.
        is_async: It is a coroutine function.
        context: The name of the parameter that gets the `Context` (or a list of them), if there is one.
        input_name: The parameter that gets an input, or the list of them; None where each field has its own.
        read: From the JSON text of one input to the value of ``input_name``, or to the arguments by name; raises
            `PredictionFailure` for a text that does not fit. None where inputs are dicts.
        input_schema, output_schema, examples: What the types say; None and nothing where the class declares schemas.
        output_adapter: A TypeAdapter of what is returned; None where the class declares the output's schema.
    """

    is_batch: bool = True
    is_async: bool = False
    context: str | None = None
    input_name: str | None = None
    read: Callable[[str], Any] | None = None
    input_schema: JsonObject | None = None
    output_schema: JsonObject | None = None
    examples: list[JsonObject] = field(default_factory=list)
    output_adapter: TypeAdapter[Any] | None = None

    @property
    def is_concurrent(self) -> bool:
        """Inputs are answered at once, each by a call of its own."""
        return self.is_async and not self.is_batch


def call_form(model_class: type[Model]) -> CallForm:
    """Read it from a class.

    Raises:
        WrongSignature: It cannot be called, or its types make no schema.
    """
    if model_class.predict is Model.predict:
        return CallForm()
    by_hand = getattr(model_class, "input_schema", None) is not None
    predict = model_class.predict
    hints = _hints(predict, by_hand=by_hand)
    parameters = list(inspect.signature(predict).parameters.values())
    if not isinstance(inspect.getattr_static(model_class, "predict"), staticmethod | classmethod):
        del parameters[0]
    contexts = {one.name: kind for one in parameters if (kind := _context_kind(one.name, hints.get(one.name)))}
    fields = [one for one in parameters if one.name not in contexts]
    if by_hand:  # what it takes besides is its own business
        fields = fields[:1] + [one for one in fields[1:] if one.default is one.empty and one.kind in _NAMED]
    if len(contexts) > 1 or not fields or any(one.kind is one.VAR_KEYWORD for one in fields):
        raise WrongSignature("predict must take an input: fields by name, input, or inputs; and at most one Context.")
    is_alone = len(fields) == 1
    # With a schema by hand every name but ``input`` stands for the batch.
    is_batch = is_alone and (fields[0].name != WHOLE if by_hand else fields[0].name == BATCH)
    if by_hand and not is_alone:
        raise WrongSignature("predict takes several fields: leave input_schema out, or take inputs, the list of them.")
    by_name = [one for one in parameters if one.name in contexts or (one in fields and not is_batch)]
    if unnamed := [one.name for one in by_name if one.kind not in _NAMED]:
        raise WrongSignature(f"predict must take {unnamed[0]} so that it can be given by name, without * or /.")
    context, kind = next(iter(contexts.items()), (None, None))
    if context and (kind == list[Context]) != is_batch:
        raise WrongSignature(f"predict's {context} must be annotated {'list[Context]' if is_batch else 'Context'}.")
    form = CallForm(
        is_batch=is_batch,
        is_async=inspect.iscoroutinefunction(predict),
        context=context,
        input_name=fields[0].name if by_hand or (is_alone and fields[0].name in (BATCH, WHOLE)) else None,
    )
    return _with_schemas(model_class, form, fields, hints, by_hand=by_hand)


def _context_kind(name: str, hint: Any) -> Any:
    """Return Context or ``list[Context]``, whatever is written around it; None for the type of a field.

    Raises:
        WrongSignature: It is another type with a Context in it, which a client would fill in; or it cannot be read.
    """
    try:
        kind = _bare(hint)
        if kind in (Context, list[Context]):
            return kind
        holds_context = _holds_context(hint)
    except RecursionError as error:
        raise WrongSignature(f"predict takes {name} of a type that is nested too deeply.") from error
    if holds_context:
        raise WrongSignature(f"predict's {name} must be annotated Context, or list[Context] for a batch.")
    return None


def _bare(hint: Any, entered: frozenset[int] = frozenset()) -> Any:
    """Return a type without its notes, its alias, and the None that may stand in its place.

    An alias that stands for nothing but itself, as `type A = A | None` does, is left as it is.
    """
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _bare(arguments[0], entered)
    if origin in (typing.Union, types.UnionType):
        kept = [one for one in arguments if one is not types.NoneType]
        return _bare(kept[0], entered) if len(kept) == 1 else hint
    alias = origin or hint
    if not hasattr(alias, "__value__") or id(alias) in entered:
        return hint
    return _bare(alias.__value__, entered | {id(alias)})


def _holds_context(hint: Any, entered: frozenset[int] = frozenset()) -> bool:
    """Whether a Context is in it, however deep. An alias may hold itself, as that of JSON does: it is entered once."""
    if isinstance(hint, type) and issubclass(hint, Context):
        return True
    arguments = typing.get_args(hint)
    parts = arguments[:1] if typing.get_origin(hint) is typing.Annotated else arguments
    alias = typing.get_origin(hint) or hint
    if hasattr(alias, "__value__") and id(alias) not in entered:
        entered |= {id(alias)}
        parts += (alias.__value__,)
    return any(_holds_context(part, entered) for part in parts)


def _with_schemas(
    model_class: type[Model],
    form: CallForm,
    fields: list[inspect.Parameter],
    hints: dict[str, Any],
    *,
    by_hand: bool,
) -> CallForm:
    """Add what the types say, as far as the class leaves it out. Only models with types pay for pydantic."""
    has_output = getattr(model_class, "output_schema", None) is not None
    is_untyped = not any(one.name in hints for one in fields)
    if by_hand or is_untyped or hints.get(BATCH) == list[JsonObject]:
        return form  # a schema that is missing is named with the other declarations
    from ml_service.runtime.author import typed  # noqa: PLC0415

    try:
        inputs = typed.inputs_of(fields, hints, form.input_name, is_batch=form.is_batch)
        output = None if has_output else typed.output_of(hints.get("return"), is_batch=form.is_batch)
    except typed.NoSchema as error:
        raise WrongSignature(f"predict {error}.") from error
    except RecursionError as error:
        raise WrongSignature("predict has a type that is nested too deeply.") from error
    return replace(
        form,
        read=inputs.read,
        input_schema=inputs.schema,
        examples=inputs.examples,
        output_schema=output and output.schema,
        output_adapter=output and output.adapter,
    )


def _hints(predict: Callable[..., Any], *, by_hand: bool) -> dict[str, Any]:
    try:
        return typing.get_type_hints(predict, include_extras=True)
    except Exception as error:
        if by_hand:  # its types may be there for a type checker alone
            return {}
        raise WrongSignature(f"predict has a type that cannot be read: {' '.join(str(error).split())}.") from error
