"""How many rows a statement reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from ml_service.storage.database import Session


def _plans(node: Any) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _plans(child)


def _literal(value: object) -> str:
    """A value as SQL."""
    if isinstance(value, list | tuple):
        if not value:
            return "'{}'"
        return f"ARRAY[{', '.join(map(_literal, value))}]"
    if isinstance(value, UUID):
        return f"'{value}'::uuid"
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


async def rows_read(session: Session, sql: str, *arguments: object) -> float:
    """Rows that the statement's generic plan reads from tables, those that a filter removes included."""
    await session.execute(f"PREPARE one AS {sql}")
    values = ", ".join(map(_literal, arguments))
    [row] = await session.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE one ({values})")
    await session.execute("DEALLOCATE one")
    [explained] = json.loads(row[0])
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in _plans(explained["Plan"])
        if "Relation Name" in node
    )
