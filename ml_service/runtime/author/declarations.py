"""What a model's class declares, read from its attributes and, where it leaves its schemas out, from its types."""

from __future__ import annotations

from ml_service.runtime.author.model import DECLARATIONS, JsonObject, Model
from ml_service.runtime.author.signature import CallForm, call_form


def declarations_of(model_class: type[Model], form: CallForm | None = None) -> JsonObject:
    """Return what a class declares, unchecked; what it leaves out is missing.

    Args:
        form: What `call_form` says of it, where that is known.

    Raises:
        WrongSignature: Its `predict` has types of which no schema can be made.
    """
    declared = {name: getattr(model_class, name) for name in DECLARATIONS if hasattr(model_class, name)}
    form = form or call_form(model_class)
    if form.input_schema is not None:
        declared["input_schema"] = form.input_schema
        declared["examples"] = declared.get("examples") or form.examples
    if form.output_schema is not None:
        declared["output_schema"] = form.output_schema
    if isinstance(declared.get("examples"), tuple):
        declared["examples"] = list(declared["examples"])
    return declared
