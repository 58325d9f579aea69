"""What a search has found."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from ml_service.storage.searching import Found

Kind = Literal["user", "prediction", "batch", "bulk_job", "api_key", "webhook", "transaction", "chat"]


class FoundThing(BaseModel):
    """Something that was found, and whose it is."""

    kind: Kind
    id: str
    user_id: UUID
    username: str
    title: str = Field(description="A name, a model, an address: what tells it apart from others of its kind.")
    at: datetime = Field(description="When it was made; of a chat, its account.")

    @classmethod
    def of(cls, one: Found) -> FoundThing:
        """Show it."""
        return cls.model_validate(one, from_attributes=True)


class SearchResult(BaseModel):
    """What was found; there are no further pages."""

    items: list[FoundThing]
    next_cursor: None = None
