"""Users and tokens as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ml_service.domain.roles import Role
from ml_service.domain.submissions import Receiver
from ml_service.domain.users import Language
from ml_service.domain.users import User as DomainUser

# Far above any rule: the rules answer with their own sentences, this only keeps megabytes out.
Name = Annotated[str, Field(max_length=1000, json_schema_extra={"minLength": 3, "maxLength": 64})]
Password = Annotated[str, Field(max_length=10_000, json_schema_extra={"format": "password", "maxLength": 128})]


class NewUser(BaseModel):
    """A registration."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"username": "anna", "password": "correct horse battery"}]},
    )

    username: Name = Field(description="3 to 64 letters, digits and . _ @ + -; unique without regard to case.")
    password: Password = Field(description="8 to 128 characters, any; the most common ones are refused.")


class NewPassword(BaseModel):
    """A change of password."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"old_password": "correct horse battery", "new_password": "a better one 2"}]},
    )

    old_password: Password
    new_password: Password = Field(description="8 to 128 characters, any; the most common ones are refused.")


class User(BaseModel):
    """A user."""

    id: UUID
    username: str = Field(examples=["anna"])
    balance: int = Field(description="Credits that can be spent.", examples=[100])
    role: Role | None = Field(description="What `/admin/…` lets this user do; null: nothing.")
    is_admin: bool = Field(description="Whether the role is `admin`.")
    is_demo: bool = Field(description="The user test/test of the demo mode.")
    created_at: datetime
    language: Language | None = Field(description="Of the page; null: as the browser says.")
    notify: list[Receiver] = Field(description="Where answers also go if a request does not say.")

    @classmethod
    def of(cls, user: DomainUser) -> User:
        """Show a user."""
        return cls(
            id=user.id,
            username=user.username,
            balance=user.balance,
            role=user.role,
            is_admin=user.is_admin,
            is_demo=user.is_demo,
            created_at=user.created_at,
            language=user.language,
            notify=[Receiver(one) for one in user.notify],
        )


class TokenForm(BaseModel):
    """OAuth2's form (RFC 6749, 4.3 and 6): a password, or a refresh token."""

    grant_type: Literal["password", "refresh_token"] = Field("password", description="What is exchanged.")
    username: str | None = Field(None, max_length=1000, examples=["test"])
    password: str | None = Field(None, max_length=10_000, json_schema_extra={"format": "password"})
    refresh_token: str | None = Field(None, max_length=1000)


class Tokens(BaseModel):
    """What a client keeps while it is signed in."""

    access_token: str = Field(description="Sent with each request: `Authorization: Bearer …`")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  the kind of token, not one
    expires_in: int = Field(description="Seconds until the access token ends.", examples=[900])
    refresh_token: str = Field(description="Exchanged once for the next pair; using it twice ends the session.")


class Credentials(BaseModel):
    """Who signs in from the page."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"username": "test", "password": "test"}]}
    )

    username: str = Field(max_length=1000)
    password: Password


class SignedInSession(BaseModel):
    """What the page keeps in memory while somebody is signed in; the refresh token is in the cookie."""

    access_token: str = Field(description="Sent with each request: `Authorization: Bearer …`")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  the kind of token, not one
    expires_in: int = Field(description="Seconds until the access token ends.", examples=[900])
    user: User


class TelegramState(BaseModel):
    """Whether the account is connected to Telegram."""

    chats: int = Field(description="Chats in which this account pays.", examples=[1])


class TelegramCode(BaseModel):
    """A one-time code for the Telegram bot."""

    code: str = Field(examples=["mH2dYw7uT0k9Qx3Z"])
    command: str = Field(description="What to send to the bot.", examples=["/link mH2dYw7uT0k9Qx3Z"])
    deep_link: str | None = Field(
        description="Opens the bot and sends the code; null while no bot has ever run.",
        examples=["https://t.me/ml_service_bot?start=mH2dYw7uT0k9Qx3Z"],
    )
    expires_in: int = Field(description="Seconds until the code ends.", examples=[600])
