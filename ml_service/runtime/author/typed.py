"""From types to JSON Schemas and back, by pydantic; imported only where a model's `predict` has types."""

from __future__ import annotations

import base64
import inspect
import json
import types
import typing
import warnings
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import pydantic
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from ml_service.platform.json_schemas import validator_of
from ml_service.runtime.author import typed_inputs
from ml_service.runtime.author.model import JsonObject, PredictionFailure
from ml_service.runtime.author.schemas import EXAMPLE_CHARS_MAX, example_of, plain_schema, says_raw_bytes, with_base64

_PROBLEMS_MAX = 3
_FORBID = ConfigDict(extra="forbid", val_json_bytes="base64", ser_json_bytes="base64", protected_namespaces=())
_OBJECT = "a pydantic model or a dataclass"
_STRUCTURE = frozenset({"type", "anyOf", "oneOf", "allOf", "enum", "const", "$ref"})


class NoSchema(Exception):
    """No schema can be made of a type; the message continues "predict …"."""


class Inputs(NamedTuple):
    """What the types of `predict`'s parameters say."""

    read: Callable[[str], Any]
    schema: JsonObject
    examples: list[JsonObject]


class Output(NamedTuple):
    """What the type of `predict`'s answer says."""

    schema: JsonObject
    adapter: TypeAdapter[Any]


class _Schemas(GenerateJsonSchema):
    """As pydantic, but where its schema promises what its own encoding does not keep."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonObject:
        """Make one of a Decimal, which is written as ``1E+3`` where pydantic's pattern knows no exponents."""
        return {"type": "string"} if self.mode == "serialization" else super().decimal_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        """Encode a default: bytes as base64, and a set in an order that is the same in each process."""
        if isinstance(dft, bytes):
            return base64.b64encode(dft).decode()
        encoded = super().encode_default(dft)
        return sorted(encoded, key=json.dumps) if isinstance(dft, set | frozenset) else encoded

    def ser_schema(self, schema: Any) -> JsonObject | None:
        """Make one of a serializer; where its author does not say what it returns, that may be anything."""
        made = super().ser_schema(schema)
        is_own = getattr(schema.get("function"), "__module__", "").partition(".")[0] != "pydantic"
        return {} if made is None and is_own and schema["type"] in ("function-plain", "function-wrap") else made


def inputs_of(
    fields: list[inspect.Parameter], hints: dict[str, Any], input_name: str | None, *, is_batch: bool
) -> Inputs:
    """Return how an input is read, and its schema.

    Args:
        fields: The parameters without the context.
        hints: Their types by name.
        input_name: The one parameter that gets a whole input, or all inputs of a batch.

    Raises:
        NoSchema: There is none.
    """
    config: ConfigDict | None = _FORBID
    if input_name is None:
        definitions = _definitions(fields, hints)
        adapter = _fields_adapter(definitions)
        read = _reader(adapter.validate_json, lambda value: dict(value.__dict__))
    else:
        hint = _item(hints.get(input_name), input_name) if is_batch else hints.get(input_name)
        adapter = _adapter(hint, f"takes {input_name} of a type that has no JSON Schema")
        definitions, config = typed_inputs.definitions_of(hint)
        read = _reader(adapter.validate_json, None)
    schema = _object_schema(adapter, "validation", f"must take {input_name or 'fields'} of {_OBJECT}", definitions)
    if says_raw_bytes(schema):
        raise NoSchema("takes bytes in a type of its own: give that field the type pydantic.Base64Bytes")
    if problem := typed_inputs.unreadable(adapter.core_schema, input_name or "fields"):
        raise NoSchema(problem)
    schema = typed_inputs.without_unusable_defaults(schema, definitions, config)
    return Inputs(read, schema, _examples(read, schema))


def _examples(read: Callable[[str], Any], schema: JsonObject) -> list[JsonObject]:
    """A guess that the type takes and its schema too; none where that is not found, for nobody wrote it."""
    try:
        example = example_of(schema)
        text = json.dumps(example, allow_nan=False)
        read(text)
        fits = len(text) <= EXAMPLE_CHARS_MAX and validator_of(schema).is_valid(example)
    except Exception:  # noqa: BLE001 - a validator of the author's own may do anything with a guess
        return []
    return [example] if example is not None and fits else []


def output_of(hint: Any, *, is_batch: bool) -> Output:
    """Return the schema of one output, and what knows its type.

    Raises:
        NoSchema: There is none.
    """
    if hint is None:
        raise NoSchema(f"must say what it returns: -> {_OBJECT}, or declare output_schema")
    one = _without_errors(_item(hint, "what it returns") if is_batch else hint)
    adapter = _adapter(one, "returns a type that has no JSON Schema")
    schema = _object_schema(adapter, "serialization", f"must return {_OBJECT}", typed_inputs.definitions_of(one)[0])
    return Output(with_base64(schema), adapter)


def _definitions(fields: list[inspect.Parameter], hints: dict[str, Any]) -> typed_inputs.Definitions:
    untyped = [one.name for one in fields if one.name not in hints]
    if untyped:
        raise NoSchema(f"takes {untyped[0]} without a type")
    if private := [one.name for one in fields if one.name.startswith("_")]:
        raise NoSchema(f"takes {private[0]}: a field's name cannot begin with _")
    if reserved := [one.name for one in fields if one.name in ("input", "inputs")]:
        raise NoSchema(f"takes {reserved[0]} beside other fields: it has to be the only one, or be called otherwise")
    if any(one.name == "model_config" for one in fields):
        raise NoSchema("takes model_config, a name that pydantic keeps for itself: call it otherwise")
    return {
        one.name: (typed_inputs.decoded_once(hints[one.name]), ... if one.default is one.empty else one.default)
        for one in fields
    }


def _fields_adapter(definitions: typed_inputs.Definitions) -> TypeAdapter[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a field may be called like a method of pydantic's
            return typed_inputs.adapter_of(pydantic.create_model("Input", __config__=_FORBID, **definitions))
    except Exception as error:
        name = typed_inputs.culprit(definitions)
        raise NoSchema(
            f"takes {name + ' of ' if name else ''}a type that has no JSON Schema: {_line(error)}"
        ) from error


def _adapter(hint: Any, complaint: str) -> TypeAdapter[Any]:
    try:
        return typed_inputs.adapter_of(hint)
    except Exception as error:
        name = typed_inputs.culprit(typed_inputs.definitions_of(hint)[0])
        raise NoSchema(f"{complaint}{name and f' for {name}'}: {_line(error)}") from error


def _object_schema(
    adapter: TypeAdapter[Any],
    mode: typing.Literal["validation", "serialization"],
    rule: str,
    definitions: typed_inputs.Definitions,
) -> JsonObject:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a default that has no JSON form is left out
            schema = plain_schema(adapter.json_schema(mode=mode, schema_generator=_Schemas))
    except Exception as error:
        name = typed_inputs.culprit(definitions)
        raise NoSchema(f"has a type without a JSON Schema{name and f' for {name}'}: {_line(error)}") from error
    if mode == "serialization" and "serialization" in adapter.core_schema and not _STRUCTURE & schema.keys():
        schema = {"type": "object", **schema}  # its author's serializer does not say what it returns
    if schema.get("type") != "object":
        raise NoSchema(f"{rule}, an object in JSON")
    return schema


def _reader(validate: Callable[[str], Any], values: Callable[[Any], Any] | None) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = validate(text)
        except ValidationError as error:
            raise PredictionFailure(_problems(error)) from None
        return value if values is None else values(value)

    return read


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_PROBLEMS_MAX]
    parts = [f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}" for one in found]
    return f"The input does not fit: {'; '.join(parts)}."


def _item(hint: Any, what: str) -> Any:
    """Return X of list[X], Sequence[X] or Iterable[X]."""
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    arguments = typing.get_args(hint)
    if len(arguments) != 1:
        raise NoSchema(f"must have a list for {what}, such as list[Answer]")
    return arguments[0]


def _without_errors(hint: Any) -> Any:
    """Return ``Answer`` of ``Answer | PredictionFailure``."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    kept = [one for one in typing.get_args(hint) if not (isinstance(one, type) and issubclass(one, BaseException))]
    if not kept:
        raise NoSchema("must return an output")
    return kept[0] if len(kept) == 1 else typing.Union[tuple(kept)]  # noqa: UP007 - made while it runs


def _line(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or contains itself without end"
    if isinstance(error, pydantic.PydanticUserError) and error.code == "circular-reference-schema":
        return "it stands for nothing but itself"  # pydantic's sentence has an address in it, another in each process
    # What pydantic advises after it is not meant for the parameters of a function.
    return " ".join(str(error).split("\n\nFor further")[0].split(". Set `arbitrary_types_allowed")[0].split())
