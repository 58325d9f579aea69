"""What is known of a request comes from the service alone: however its parameter is written, no client fills it in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Optional

import pytest
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from ml_service.runtime.author import Context, Model
from ml_service.runtime.author.signature import WrongSignature, call_form
from ml_service.runtime.child.calls import Calls
from ml_service.runtime.host.model_host import context_of
from tests.support.type_aliases import own_alias


class UserTold(BaseModel):
    user: str


class TextTold(BaseModel):
    text: str


class OwnContext(Context):
    pass


@dataclass
class TextWithContext:
    text: str
    context: Context


Alias = TypeAliasType("Alias", Context)
SPELLINGS = [
    Context,
    Context | None,
    Optional[Context],  # noqa: UP045 - as older code has it
    Annotated[Context, "a note"],
    Annotated[Context | None, "a note"],
    Annotated[Context, "a note"] | None,
    Alias,
]


def model_of(hints: dict[str, Any], *, batch: bool, **more: Any) -> type[Model]:
    def one(_self: Model, text: str, context: Any = None) -> UserTold:  # noqa: ARG001
        return UserTold(user=context.user)

    def many(_self: Model, inputs: Any, context: Any = None) -> Any:  # noqa: ARG001
        return [UserTold(user=each.user) for each in context]

    predict = many if batch else one
    predict.__annotations__ = {"return": list[UserTold] if batch else UserTold, **hints}
    return type("Told", (Model,), {"name": "x", "version": "1", "description": "x", "predict": predict, **more})


def answers(model_class: type[Model]) -> list[Any]:
    form = call_form(model_class)
    assert form.context == "context"
    assert "prediction_id" not in json.dumps([form.input_schema, form.examples])
    calls = Calls(model_class(), form, getattr(model_class, "input_schema", None))
    calls.load()
    texts, contexts = ['{"text": "a"}'], [context_of("p", "anna")]
    return calls.batch(texts, contexts) if form.is_batch else list(calls.one_by_one(texts, contexts))


@pytest.mark.parametrize("hint", SPELLINGS, ids=str)
def test_each_spelling_for_one_input_gets_the_context(hint: Any) -> None:
    assert answers(model_of({"text": str, "context": hint}, batch=False)) == [UserTold(user="anna")]


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("hint", [list[Context], list[Context] | None, Annotated[list[Context], 1]], ids=str)
def test_each_spelling_for_a_batch_gets_the_contexts(hint: Any, *, by_hand: bool) -> None:
    more = {"input_schema": {"type": "object"}, "output_schema": {"type": "object"}}
    hints = {"context": hint} if by_hand else {"inputs": list[TextTold], "context": hint}
    assert answers(model_of(hints, batch=True, **(more if by_hand else {}))) == [UserTold(user="anna")]


@pytest.mark.parametrize(
    "hint",
    [
        *(dict[str, Context], tuple[Context, ...], Sequence[Context], Context | str, list[Context | None], OwnContext),
        *(
            list[list[Context]],
            Annotated[dict[str, list[Context]], 1],
            set[Alias],
            TextWithContext,
            list[TextWithContext],
        ),
    ],
    ids=str,
)
def test_any_other_type_with_a_context_in_it_is_refused(hint: Any) -> None:
    with pytest.raises(WrongSignature, match=r"must be annotated Context|with a Context in it"):
        call_form(model_of({"text": str, "context": hint}, batch=False))


def test_an_alias_that_holds_itself_is_looked_through_once() -> None:
    alias = own_alias("dict[str, A] | list[A] | str | None")
    assert answers(model_of({"text": alias, "context": Context}, batch=False)) == [UserTold(user="anna")]
    with pytest.raises(WrongSignature, match="must be annotated Context"):
        call_form(model_of({"text": str, "context": dict[str, alias | Context]}, batch=False))


@pytest.mark.parametrize("hint", [Context | None, list[Context] | None])
def test_the_wrong_one_of_both_is_refused(hint: Any) -> None:
    is_list = hint == list[Context] | None
    hints = {"text": str, "context": hint} if is_list else {"inputs": list[TextTold], "context": hint}
    with pytest.raises(WrongSignature, match="context must be annotated"):
        call_form(model_of(hints, batch=not is_list))


def test_a_context_that_cannot_be_given_by_name_is_refused() -> None:
    class Unnamed(Model):
        def predict(self, inputs: list[TextTold], *context: Context) -> list[UserTold]:
            raise NotImplementedError

    class Positional(Model):
        def predict(self, inputs: list[TextTold], context: list[Context], /) -> list[UserTold]:
            raise NotImplementedError

    for model in (Unnamed, Positional):
        with pytest.raises(WrongSignature, match="context"):
            call_form(model)
