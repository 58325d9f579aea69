"""Models as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ml_service.domain.models import AnswerTimes, FailedModel, ListedModel, Serving
from ml_service.storage.workers import Worker
from ml_service.usecases.models import Catalog
from ml_service.usecases.workers import failed_models, serving


@dataclass(frozen=True, slots=True)
class Seen:
    """What models are shown by; ``default`` names the default model."""

    catalog: Catalog
    default: str
    workers: Sequence[Worker]
    times: Mapping[str, AnswerTimes]
    broken: Sequence[FailedModel]

    @classmethod
    def of(cls, catalog: Catalog, default: str, workers: Sequence[Worker], times: Mapping[str, AnswerTimes]) -> Seen:
        """Look through the workers once for all models."""
        return cls(catalog, default, workers, times, failed_models(workers))

    def state(self, listed: ListedModel) -> Serving:
        """Whether a version is served."""
        return serving(listed, self.workers)

    def reason(self, listed: ListedModel) -> str | None:
        """Why a version is not served; None while it is. The default version is named without its number."""
        return self.catalog.why_not_live(listed, self.state(listed), {one.name: one.reason for one in self.broken})


class RecentTimes(BaseModel):
    """How long the last answers to single requests took, from the request to the answer."""

    median_ms: float = Field(examples=[41.3])
    p95_ms: float = Field(examples=[87.0])
    samples: int = Field(description="How many answers that is.", examples=[200])

    @classmethod
    def of(cls, times: AnswerTimes | None) -> RecentTimes | None:
        """Show them, to a tenth of a millisecond."""
        if times is None:
            return None
        return cls(median_ms=round(times.median_ms, 1), p95_ms=round(times.p95_ms, 1), samples=times.samples)


STATE = (
    "`live`: a worker serves it; `sleeping`: one does, and loads it for the next request; "
    "`loading`: one is about to; `broken`: it cannot be loaded; `gone`: none has it; "
    "`disabled`: an admin has switched it off, and nothing is accepted for it."
)


class ModelVersion(BaseModel):
    """A version of a model. Its schemas never change."""

    version: str = Field(examples=["1.0.0"])
    is_default: bool = Field(
        description="Whether it is the model's default version: a request that names the model alone gets it."
    )
    is_live: bool = Field(description="Whether a worker serves it at the moment.")
    workers: int = Field(description="How many workers serve it at the moment.")
    state: Serving = Field(description=STATE)
    announced_at: datetime = Field(description="When a worker first served it.")
    reason: str | None = Field(description="Why no worker serves it; null while one does.")


class Model(BaseModel):
    """A model that can be asked, at what price, with which input."""

    name: str = Field(examples=["sentiment"])
    version: str = Field(description="The version described here: the default one, or the one that was asked for.")
    description: str
    descriptions: dict[str, str] = Field(
        description="The same in other languages by their codes, as far as its author gives it.",
        examples=[{"ru": "Определяет тональность."}],
    )
    price_credits: int = Field(description="What one prediction costs now.", examples=[1])
    pool: str = Field(description="Whose workers serve it.", examples=["default"])
    is_default: bool = Field(
        description="Whether it is the service's default model: a request without `model` gets it. It says nothing of "
        "versions; that is `is_default` in `versions`."
    )
    is_live: bool = Field(description="Whether a worker serves it at the moment. Requests wait until one does.")
    workers: int = Field(description="How many workers serve it at the moment.")
    state: Serving = Field(description=STATE)
    reason: str | None = Field(description="Why no worker serves it; null while one does.")
    recent: RecentTimes | None = Field(description="Of all versions, batches left out; null without a recent answer.")
    input_schema: dict[str, Any] = Field(description="JSON Schema (2020-12) of an input.")
    output_schema: dict[str, Any] = Field(description="JSON Schema (2020-12) of an output.")
    view: str | None = Field(description="How to show an output: `x-view` of the output schema; null: by its shape.")
    examples: list[dict[str, Any]] = Field(description="Inputs to try.")
    versions: list[ModelVersion] = Field(
        description="All versions, the default first, then the newest. A request names one as `model@version`."
    )

    @classmethod
    async def of(cls, name: str, seen: Seen) -> Model:
        """Show a model, named with or without a version.

        Raises:
            ModelNotFound: No worker has ever announced it.
        """
        listed = await seen.catalog.get(name)
        spec = listed.spec
        return cls(
            name=spec.name,
            version=spec.version,
            description=spec.description,
            descriptions=spec.descriptions,
            price_credits=listed.price_credits,
            pool=spec.pool,
            is_default=spec.name == seen.default,
            is_live=listed.is_live and listed.is_enabled,
            workers=listed.workers,
            state=seen.state(listed),
            reason=seen.reason(listed),
            recent=RecentTimes.of(seen.times.get(spec.name)),
            input_schema=spec.input_schema,
            output_schema=spec.output_schema,
            view=spec.view,
            examples=list(spec.examples),
            versions=[
                ModelVersion(
                    version=one.spec.version,
                    is_default=one.is_default,
                    is_live=one.is_live,
                    workers=one.workers,
                    state=seen.state(one),
                    announced_at=one.announced_at,
                    reason=seen.reason(one),
                )
                for one in seen.catalog.versions(spec.name)
            ],
        )


class BrokenModel(BaseModel):
    """A model that live workers have and cannot load."""

    name: str
    reason: str = Field(description="Why, and what the operator can do.")
    workers: int = Field(description="How many workers cannot load it.")


class Models(BaseModel):
    """All models, by name."""

    items: list[Model]
    broken: list[BrokenModel] = Field(
        description="Models that live workers cannot load; one that never was loaded is not among the items."
    )
