"""Aliases of types that hold themselves, also in Python 3.11, which has no `type` statement yet."""

from __future__ import annotations

import sys
from typing import Any

from typing_extensions import TypeAliasType


def own_alias(value: str, **names: Any) -> Any:
    """`type A = <value>`, where ``value`` may name A itself."""
    known = dict(names)
    if sys.version_info >= (3, 12):
        exec(f"type A = {value}", known)  # noqa: S102 - Python 3.11 has to read this file
        return known["A"]
    alias: Any = TypeAliasType("A", str)  # type: ignore[misc]
    object.__setattr__(alias, "__value__", eval(value, {**known, "A": alias}))  # noqa: S307 - a test's own text
    return alias
