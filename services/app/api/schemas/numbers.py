"""Numbers as JSON has them: 100, 100.0 and 1e2 are one number (RFC 8259; JSON Schema's `integer` takes all three)."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""The last annotation of a strict ``int``."""
