"""Webhooks as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ml_service.domain.webhooks import (
    URL_LENGTH_MAX,
    DeliveryState,
    DisabledReason,
    FailureCode,
    Secret,
    WebhookDelivery,
    WebhookEvent,
    message_id,
)
from ml_service.domain.webhooks import Webhook as DomainWebhook
from services.app.api.schemas.numbers import WHOLE

GRACE_S_MAX = 7 * 86_400

Url = Annotated[str, Field(min_length=1, max_length=URL_LENGTH_MAX, examples=["https://example.com/hooks/ml"])]
Events = Annotated[
    list[WebhookEvent],
    Field(min_length=1, max_length=10, examples=[[WebhookEvent.SUCCEEDED, WebhookEvent.FAILED]]),
]
BalanceLow = Annotated[
    int,
    Field(
        ge=1, le=2**53, strict=True, description="`balance.low` is sent when the balance falls below so many credits."
    ),
    WHOLE,
]


class NewWebhook(BaseModel):
    """Where messages go, and about what."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events
    balance_low_credits: BalanceLow = 10


class WebhookChange(BaseModel):
    """What to change; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    events: Events | None = None
    balance_low_credits: BalanceLow | None = None
    is_enabled: bool | None = Field(
        default=None, strict=True, description="False: nothing is sent to it, and waiting messages are given up."
    )


class Rotation(BaseModel):
    """How long the old secret signs as well."""

    model_config = ConfigDict(extra="forbid")

    grace_s: Annotated[int, Field(ge=0, le=GRACE_S_MAX, strict=True), WHOLE] = Field(
        default=86_400,
        description="For so many seconds messages have both signatures, so that a receiver may change over meanwhile.",
    )


class Webhook(BaseModel):
    """A webhook."""

    id: UUID
    url: str
    events: list[WebhookEvent]
    balance_low_credits: int
    is_enabled: bool
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None = Field(
        description="`user`; `failing`: its receiver failed for days; `gone`: it answered 410; `admin`."
    )
    failing_since: datetime | None = Field(description="The first failure since the last success.")
    created_at: datetime

    @classmethod
    def fields_of(cls, one: DomainWebhook) -> dict[str, Any]:
        """What is shown of a webhook."""
        return {
            "id": one.id,
            "url": one.url,
            "events": one.events,
            "balance_low_credits": one.balance_low_credits,
            "is_enabled": one.disabled_at is None,
            "disabled_at": one.disabled_at,
            "disabled_reason": one.disabled_reason,
            "failing_since": one.failing_since,
            "created_at": one.created_at,
        }

    @classmethod
    def of(cls, one: DomainWebhook) -> Webhook:
        """Show a webhook."""
        return cls(**cls.fields_of(one))


class CreatedWebhook(Webhook):
    """A webhook that was just made, with its secret, which is shown here only."""

    secret: str = Field(description="Signs the messages (Standard Webhooks).", examples=["whsec_…"])


class Webhooks(BaseModel):
    """All webhooks of the account, the oldest first."""

    items: list[Webhook]
    next_cursor: None = None


class WebhookSecret(BaseModel):
    """A secret that signs messages."""

    secret: str = Field(examples=["whsec_…"])
    previous_until: datetime | None = Field(description="Until then the secret before it signs as well.")

    @classmethod
    def of(cls, one: Secret) -> WebhookSecret:
        """Show a secret; the one before it is not shown."""
        return cls(secret=one.secret, previous_until=None if one.previous_secret is None else one.previous_until)


class DeliveryAttempt(BaseModel):
    """One attempt to deliver a message."""

    at: datetime
    status: int | None = Field(description="The HTTP status; null: there was no answer.")
    ms: float = Field(description="Milliseconds that it took.")
    error: str | None = Field(description="Why it failed, in English; null: it did not.")
    code: FailureCode | None = Field(
        description="The same for programs; null too for attempts before there were codes."
    )
    detail: str | None = Field(
        description="What the code is about: the status, the seconds waited, where it leads, or an error's class."
    )
    answer: str | None = Field(description="The beginning of the answer's body, up to 1,000 characters.")


class Delivery(BaseModel):
    """A message to a webhook."""

    id: int
    message_id: str = Field(description="The `webhook-id` of all its attempts.", examples=["msg_019a0b5e7c1d7000"])
    webhook_id: UUID | None = Field(description="Null: a request named the address.")
    url: str | None = Field(description="The address, where a request named it.")
    event: str = Field(examples=["prediction.succeeded"])
    subject_id: UUID = Field(description="What it is about, such as the prediction.")
    state: DeliveryState
    attempts: list[DeliveryAttempt] = Field(description="The last 50, the oldest first.")
    created_at: datetime
    next_at: datetime | None = Field(description="When it is sent next; null: it is not.")

    @classmethod
    def of(cls, one: WebhookDelivery) -> Delivery:
        """Show a message."""
        return cls(
            id=one.id,
            message_id=message_id(one.subject_id),
            webhook_id=one.webhook_id,
            url=one.url,
            event=one.event,
            subject_id=one.subject_id,
            state=one.state,
            attempts=[
                DeliveryAttempt(
                    at=each.at,
                    status=each.status,
                    ms=each.ms,
                    error=each.error,
                    code=None if each.code is None else FailureCode(each.code),
                    detail=each.detail,
                    answer=each.answer,
                )
                for each in one.attempts
            ],
            created_at=one.created_at,
            next_at=one.next_at,
        )


class Deliveries(BaseModel):
    """A page of messages, newest first."""

    items: list[Delivery]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")
