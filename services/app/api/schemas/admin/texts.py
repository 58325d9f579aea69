"""Texts that admins write."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ml_service.usecases.admin import REASON_LENGTH_MAX


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be stored")
    if not text.strip():
        raise ValueError("it must not be empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it has characters that cannot be stored") from None
    return text.strip()


Reason = Annotated[
    str,
    Field(max_length=REASON_LENGTH_MAX, description="Why; kept in the log of actions.", examples=["invoice 1042"]),
    AfterValidator(_storable),
]
Version = Annotated[str, Field(max_length=100), AfterValidator(_storable)]
