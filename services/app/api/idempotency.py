"""The header Idempotency-Key."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header
from starlette.types import Scope

from ml_service.domain.errors import InvalidInput

KEY_PATTERN = r"^[\x20-\x7e]{1,255}$"
_KEY = re.compile(KEY_PATTERN)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="Repeating a request with its key answers with the first one's prediction, at no cost.",
        examples=["order-1042"],
    ),
]


def key_of(scope: Scope) -> str | None:
    """The Idempotency-Key; raises InvalidInput where it is not usable, or came twice."""
    found = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if not found:
        return None
    key: str = found[0].decode("latin-1")
    if len(found) == 1 and _KEY.fullmatch(key):
        return key
    raise _unusable()


def required_key_of(scope: Scope) -> str:
    """The Idempotency-Key of a request that must have one; raises InvalidInput."""
    key = key_of(scope)
    if key is None or not key.strip():
        raise _unusable()
    return key


def _unusable() -> InvalidInput:
    message = "Send one Idempotency-Key of 1 to 255 printable ASCII characters."
    return InvalidInput(message, errors=[{"location": "header.Idempotency-Key", "message": message}])
