"""Models as admins see and change them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ml_service.domain.models import Serving
from ml_service.usecases.admin import PRICE_MAX
from services.app.api.schemas.admin.texts import Reason, Version
from services.app.api.schemas.models import RecentTimes
from services.app.api.schemas.numbers import WHOLE


class AdminVersion(BaseModel):
    """A version of a model."""

    version: str
    state: Serving
    workers: int = Field(description="Live workers that serve it.")
    reason: str | None = Field(description="Why no worker serves it; null while one does.")


class AdminModel(BaseModel):
    """A model, and what was chosen for it."""

    name: str
    default_version: str
    price_credits: int = Field(description="What one prediction costs now.")
    is_enabled: bool = Field(description="False: nothing is accepted for it.")
    versions: list[AdminVersion] = Field(description="The default one first, then the newest.")
    recent: RecentTimes | None


class AdminModels(BaseModel):
    """All models, by name."""

    items: list[AdminModel]
    next_cursor: None = None


class ModelChange(BaseModel):
    """What to change of a model; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"price_credits": 2, "reason": "prices of 2027"}]},
    )

    price_credits: Annotated[int, Field(strict=True, ge=0, le=PRICE_MAX), WHOLE] | None = Field(
        default=None, description="In force within a second, for what is asked from then on; null: the model's own."
    )
    default_version: Version = Field(default="", description="A version that a worker has announced.")
    allow_unserved: bool = Field(
        default=False, strict=True, description="Also a version that no worker serves now: requests then wait for one."
    )
    is_enabled: bool = Field(default=True, strict=True, description="False: nothing is accepted for it from then on.")
    reason: Reason
