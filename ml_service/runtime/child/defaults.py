"""The defaults of an input schema that was written by hand, filled in before the model sees an input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

DEPTH_MAX = 16
_REF = "#/$defs/"

Fill = Callable[[Any], None]


def filler(schema: Any) -> Fill | None:
    """Return what fills an input's missing fields in place, or None where the schema has no default."""
    return _filler(schema, schema.get("$defs", {}) if isinstance(schema, dict) else {}, 0)


def _filler(schema: Any, defs: Any, depth: int) -> Fill | None:
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return None
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REF):
        return _filler(defs.get(reference.removeprefix(_REF)), defs, depth + 1)
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    # As text: each input gets a value of its own, which the model may change.
    defaults = {
        name: json.dumps(one["default"])
        for name, one in properties.items()
        if isinstance(one, dict) and "default" in one
    }
    deeper = {name: found for name, one in properties.items() if (found := _filler(one, defs, depth + 1))}
    of_items = _filler(schema.get("items"), defs, depth + 1)
    if not defaults and not deeper and of_items is None:
        return None

    def fill(value: Any) -> None:
        if isinstance(value, dict):
            for name in defaults.keys() - value.keys():
                value[name] = json.loads(defaults[name])
            for name in deeper.keys() & value.keys():
                deeper[name](value[name])
        elif isinstance(value, list) and of_items is not None:
            for one in value:
                of_items(one)

    return fill
