"""Webhooks of everybody, as operators see them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ml_service.domain.webhooks import DisabledReason
from ml_service.storage.webhooks import WebhookOfUser
from services.app.api.schemas.admin.texts import Reason


class AdminWebhook(BaseModel):
    """A webhook, and whose it is."""

    id: UUID
    user_id: UUID
    username: str
    url: str
    is_enabled: bool
    failing_since: datetime | None = Field(description="The first failure since the last success.")
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None = Field(
        description="`user`; `failing`: its receiver failed for days; `gone`: it answered 410; `admin`."
    )
    waiting: int = Field(description="Messages that wait for it, counted up to 100.")

    @classmethod
    def of(cls, one: WebhookOfUser) -> AdminWebhook:
        """Show a webhook."""
        return cls(
            id=one.id,
            user_id=one.user_id,
            username=one.username,
            url=one.url,
            is_enabled=one.disabled_at is None,
            failing_since=one.failing_since,
            disabled_at=one.disabled_at,
            disabled_reason=None if one.disabled_reason is None else DisabledReason(one.disabled_reason),
            waiting=one.waiting,
        )


class AdminWebhooks(BaseModel):
    """Webhooks, those with the most waiting messages first."""

    items: list[AdminWebhook]
    next_cursor: None = None


class SwitchOff(BaseModel):
    """Why a webhook of somebody else is switched off."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "its receiver floods us"}]})

    reason: Reason
