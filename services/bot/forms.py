"""A form made of a model's input schema: one question for each field."""

from __future__ import annotations

from ml_service.domain.fields import Field
from services.bot.phrases import Phrases


def choices(t: Phrases, field: Field) -> list[str]:
    """What stands on the buttons of a field; none where the person writes the value."""
    return [t.plain("yes"), t.plain("no")] if field.kind == "boolean" and not field.enum else field.options
