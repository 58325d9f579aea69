"""Cursors of pages: opaque to clients, so that what they hold may change."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from ml_service.domain.errors import InvalidInput

UUID_BYTES = 16
BIGINT_MAX = 2**63 - 1


def of_uuid(value: UUID | None) -> str | None:
    """The cursor of a page that continues before this id."""
    return None if value is None else base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def to_uuid(cursor: str | None) -> UUID | None:
    """The id that a cursor stands for; raises InvalidInput."""
    if cursor is None:
        return None
    raw = _decode(cursor)
    if len(raw) != UUID_BYTES:
        raise _invalid()
    return UUID(bytes=raw)


def of_int(value: int | None) -> str | None:
    """The cursor of a page that continues before this number."""
    return None if value is None else base64.urlsafe_b64encode(value.to_bytes(8)).decode().rstrip("=")


def to_int(cursor: str | None) -> int | None:
    """The number that a cursor stands for; raises InvalidInput."""
    if cursor is None:
        return None
    raw = _decode(cursor)
    value = int.from_bytes(raw)
    if len(raw) != 8 or value > BIGINT_MAX:  # noqa: PLR2004  the width of a bigint
        raise _invalid()
    return value


def _decode(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid() from None


def _invalid() -> InvalidInput:
    message = "This is no cursor of this list; take next_cursor of a page as it is."
    return InvalidInput(message, errors=[{"location": "query.cursor", "message": message}])
