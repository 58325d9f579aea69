"""Models as the API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from ml_service.domain.models import ListedModel


class Model(BaseModel):
    """What can be asked, at what price, with which input."""

    name: str = Field(examples=["sentiment"])
    version: str
    description: str
    price_credits: int = Field(description="What one prediction costs now.", examples=[1])
    is_default: bool = Field(description="Asked where a request names no model.")
    is_live: bool = Field(description="Whether a worker serves it at the moment. Others are queued until one does.")
    workers: int = Field(description="How many workers serve it at the moment.")
    input_schema: dict[str, Any] = Field(description="JSON Schema (2020-12) of an input.")
    output_schema: dict[str, Any] = Field(description="JSON Schema (2020-12) of an output.")
    examples: list[dict[str, Any]] = Field(description="Inputs to try.")

    @classmethod
    def of(cls, listed: ListedModel, default: str) -> Model:
        """Show a model; ``default`` is the default one's name."""
        spec = listed.spec
        return cls(
            name=spec.name,
            version=spec.version,
            description=spec.description,
            price_credits=listed.price_credits,
            is_default=spec.name == default,
            is_live=listed.is_live,
            workers=listed.workers,
            input_schema=spec.input_schema,
            output_schema=spec.output_schema,
            examples=list(spec.examples),
        )


class Models(BaseModel):
    """All models, by name."""

    items: list[Model]
