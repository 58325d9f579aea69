"""Inputs as JSON that can be stored, whatever way they were asked for."""

from __future__ import annotations

import re
from typing import Any

import orjson

from ml_service.domain.errors import InvalidInput

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""NUL in JSON; a text may spell its escape, which has a backslash more."""


def encode_input(value: Any, bytes_max: int) -> str:
    """The input as JSON text; raises InvalidInput where it is too long or cannot be stored."""
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:
        # A lone surrogate, or a number beyond 64 bits: JSON that no database and no other client could read.
        raise _invalid("The input has characters or numbers that cannot be stored.") from None
    if len(encoded) > bytes_max:
        raise _invalid(f"An input has at most {bytes_max} bytes as JSON.")
    if _NUL.search(encoded):
        raise _invalid("The input has a NUL character.")
    return encoded.decode()


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"location": "input", "message": message}])
