"""The service itself as the API shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class ServiceLimits(BaseModel):
    """What one request may hold."""

    batch_max: int = Field(description="Predictions of one batch.", examples=[1000])
    body_bytes_max: int = Field(description="Bytes of a body.", examples=[2_000_000])


class ServiceInfo(BaseModel):
    """What the service is, and what a newcomer gets."""

    name: str = Field(examples=["ML Service"])
    version: str = Field(examples=["0.1.0"])
    mode: Literal["demo", "production"] = Field(description="`demo`: the user test with password test exists.")
    registration: Literal["open", "closed"] = Field(description="Whether `POST /users` makes accounts.")
    starting_credits: int = Field(description="What a new user begins with.", examples=[100])
    default_model: str = Field(description="Used where a request names no model.", examples=["sentiment"])
    telegram_bot: str | None = Field(
        description="User name of the Telegram bot; null while none has ever run.", examples=["ml_service_bot"]
    )
    limits: ServiceLimits
