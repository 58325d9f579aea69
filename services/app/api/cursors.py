"""Cursors of pages: opaque to clients, so that what they hold may change."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from ml_service.domain.errors import InvalidInput
from ml_service.usecases.ledger import StatementCursor

UUID_BYTES = 16
BIGINT_BYTES = 8
BIGINT_MAX = 2**63 - 1
BALANCE_BYTES = 9
"""One more than it needs: a statement's cursor is as long as no other list's, so that each list refuses the others'."""


def of_uuid(value: UUID | None) -> str | None:
    """The cursor of a page that continues before this id."""
    return None if value is None else _encode(value.bytes)


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
    return None if value is None else _encode(value.to_bytes(8))


def to_int(cursor: str | None) -> int | None:
    """The number that a cursor stands for; raises InvalidInput."""
    if cursor is None:
        return None
    raw = _decode(cursor)
    if len(raw) != BIGINT_BYTES:
        raise _invalid()
    return _bigint(raw)


def of_statement(value: StatementCursor | None) -> str | None:
    """The cursor of a statement."""
    if value is None:
        return None
    balance = b"" if value.balance is None else value.balance.to_bytes(BALANCE_BYTES, signed=True)
    return _encode(value.before.to_bytes(BIGINT_BYTES) + balance)


def to_statement(cursor: str | None) -> StatementCursor | None:
    """Where a statement goes on; raises InvalidInput."""
    if cursor is None:
        return None
    raw = _decode(cursor)
    if len(raw) not in {BIGINT_BYTES, BIGINT_BYTES + BALANCE_BYTES}:
        raise _invalid()
    before, balance = raw[:BIGINT_BYTES], raw[BIGINT_BYTES:]
    return StatementCursor(_bigint(before), int.from_bytes(balance, signed=True) if balance else None)


def _bigint(raw: bytes) -> int:
    value = int.from_bytes(raw)
    if value > BIGINT_MAX:
        raise _invalid()
    return value


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid() from None


def _invalid() -> InvalidInput:
    message = "This is not a cursor of this list: pass next_cursor of the page before, unchanged."
    return InvalidInput(message, errors=[{"location": "query.cursor", "message": message}])
