"""What goes in and out of the routes of API keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from ml_service.domain.credentials import ApiKey as DomainKey
from ml_service.domain.credentials import CapPer, Scope
from ml_service.domain.credentials import SpendCap as DomainCap
from ml_service.domain.errors import InvalidInput
from ml_service.domain.ledger import CREDITS_MAX
from ml_service.usecases.api_keys import (
    GRACE_S_MAX,
    MODEL_PATTERN,
    MODELS_MAX,
    NAME_LENGTH_MAX,
    NAME_PATTERN,
    KeyWithToken,
    check_name,
)
from services.app.api.schemas.numbers import WHOLE


def _visible(name: str) -> str:
    try:
        check_name(name)
    except InvalidInput as refused:
        raise ValueError(refused.message) from None
    return name


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH_MAX),
    AfterValidator(_visible),
    Field(
        description="For people, to tell keys apart; without control or invisible characters.",
        examples=["ci"],
        json_schema_extra={"pattern": NAME_PATTERN},
    ),
]
Scopes = Annotated[
    list[Scope],
    Field(
        min_length=1,
        max_length=len(Scope),
        description="`predict`: submit, repeat, cancel. `read`: predictions, credits, usage."
        " `bulk`: submit, read and cancel bulk jobs. `webhooks`: manage webhooks.",
        examples=[["predict", "read"]],
    ),
]
Models = Annotated[
    list[Annotated[str, StringConstraints(pattern=MODEL_PATTERN)]] | None,
    Field(
        min_length=1,
        max_length=MODELS_MAX,
        description="Names of the models that it may use; null: all.",
        examples=[["sentiment"]],
    ),
]
RateLimit = Annotated[
    int | None,
    Field(ge=1, le=1_000_000, strict=True, description="Requests a minute; null: no limit.", examples=[60]),
    WHOLE,
]


_TIME = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].+")


def _iso_8601(value: Any) -> Any:
    """Else pydantic takes numbers, and texts of digits, for Unix time in seconds or in milliseconds."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("Give a time with its zone, as in 2027-01-01T00:00:00Z.")
    return value


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("A time needs its zone, as in 2027-01-01T00:00:00Z.")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("This time is after the year 9999.") from None


ExpiresAt = Annotated[
    Annotated[datetime, BeforeValidator(_iso_8601), AfterValidator(_in_utc)] | None,
    Field(description="From when on it is refused; null: never.", examples=["2027-01-01T00:00:00Z"]),
]


class ShownCap(BaseModel):
    """Credits that a key may hold and pay in a day or a month (UTC), or in all. What is released counts no more."""

    model_config = ConfigDict(extra="forbid")

    credits: Annotated[int, Field(ge=0, le=CREDITS_MAX, strict=True, examples=[10]), WHOLE]
    per: CapPer = Field(examples=["day"])

    def value(self) -> DomainCap:
        """As the use case takes it."""
        return DomainCap(self.credits, self.per)


class NewApiKey(BaseModel):
    """An API key to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "ci", "scopes": ["predict", "read"], "spend_cap": {"credits": 10, "per": "day"}}]
        },
    )

    name: Name
    scopes: Scopes = Field(default_factory=lambda: [Scope.PREDICT, Scope.READ])
    spend_cap: ShownCap | None = None
    rate_limit_per_minute: RateLimit = None
    models: Models = None
    expires_at: ExpiresAt = None


class KeyChange(BaseModel):
    """What changes of a key; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = ""
    scopes: Scopes = Field(default_factory=list)
    spend_cap: ShownCap | None = None
    rate_limit_per_minute: RateLimit = None
    models: Models = None
    expires_at: ExpiresAt = None


class KeyRotation(BaseModel):
    """How a key gets its new token."""

    model_config = ConfigDict(extra="forbid")

    grace_s: Annotated[int, Field(ge=0, le=GRACE_S_MAX, strict=True), WHOLE] = Field(
        60, description="Seconds for which the token before stays valid."
    )


class ShownSpent(BaseModel):
    """Credits that a key has held and not got back: today, this month (UTC), and in all."""

    day: int
    month: int
    total: int


class ShownKey(BaseModel):
    """An API key, without the key itself: that is shown once."""

    id: UUID
    prefix: str = Field(description="How the key begins.", examples=["mls_3fGh7k"])
    name: str
    scopes: list[Scope]
    spend_cap: ShownCap | None
    spent_credits: int = Field(description="What counts towards the cap; without a cap all that was spent.")
    spent: ShownSpent
    rate_limit_per_minute: int | None
    models: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute; null: never.")

    @classmethod
    def of(cls, key: DomainKey) -> ShownKey:
        """Show a key."""
        return cls.model_validate(_shown(key))


class CreatedKey(ShownKey):
    """A key with what is shown once."""

    key: str = Field(
        description="Send it as `Authorization: Bearer mls_…` or `X-API-Key`. It is not shown again.",
        examples=["mls_3fGh7kPq2LmN8rTvWxYz1aBcDeFgHiJk"],
    )

    @classmethod
    def of_made(cls, made: KeyWithToken) -> CreatedKey:
        """Show a key that has just been made."""
        return cls.model_validate({"key": made.token, **_shown(made.key)})


class ShownKeys(BaseModel):
    """One's own keys."""

    items: list[ShownKey]


def _shown(key: DomainKey) -> dict[str, object]:
    return {
        "id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "scopes": [scope for scope in Scope if scope in key.scopes],
        "spend_cap": None if key.cap is None else ShownCap(credits=key.cap.credits, per=key.cap.per),
        "spent_credits": key.spent_credits,
        "spent": ShownSpent(day=key.spent.day, month=key.spent.month, total=key.spent.total),
        "rate_limit_per_minute": key.rate_limit_per_minute,
        "models": None if key.models is None else list(key.models),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }
