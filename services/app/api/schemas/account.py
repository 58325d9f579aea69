"""The user's own account as the API takes and shows it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ml_service.domain.submissions import Receiver
from ml_service.domain.users import Language
from ml_service.storage.sessions import SignIn as StoredSignIn
from services.app.api.schemas.users import Password


class Preferences(BaseModel):
    """What to change; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    language: Language | None = Field(None, description="Of the page; null: as the browser says.", examples=["ru"])
    notify: list[Receiver] = Field(
        default=[],
        max_length=10,
        examples=[["telegram"]],
        description="Where answers also go if a request does not say: `telegram`, to the chats connected to the account"
        " (the same as `/notify` in the chat).",
    )


class Deletion(BaseModel):
    """Proof that it is the account's owner who deletes it."""

    model_config = ConfigDict(extra="forbid")

    password: Password


class SignIn(BaseModel):
    """A place where the account is signed in."""

    id: UUID
    created_at: datetime
    last_used_at: datetime = Field(description="When its tokens were last renewed.")
    client: str | None = Field(description="As it named itself.", examples=["Chrome on Linux"])
    address: str | None = Field(description="An IPv4 address, or the /64 network of an IPv6 one.")
    is_current: bool = Field(description="Whether it is the one that asks.")

    @classmethod
    def of(cls, one: StoredSignIn, current_id: UUID) -> SignIn:
        """Show a sign-in."""
        return cls(
            id=one.id,
            created_at=one.created_at,
            last_used_at=one.last_used_at,
            client=one.device.client,
            address=one.device.address,
            is_current=one.id == current_id,
        )


class SignIns(BaseModel):
    """Where the account is signed in, the last used first; the 200 last used ones."""

    items: list[SignIn]
    next_cursor: None = None
