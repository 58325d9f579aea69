"""Which names no pool may have, wherever one is named. Standard library only."""

from __future__ import annotations

RESERVED = ("dead", "created")
"""A pool's queue is ``ml_tasks.<pool>``; ``ml_tasks.dead`` and ``ml_tasks.created`` are the service's own."""


def what_is_reserved(pool: str) -> str:
    """What is wrong with the name of a pool, to follow what names it; empty for a name that is free."""
    return f"must not be {' or '.join(RESERVED)}, names that the service's own queues have" if pool in RESERVED else ""
