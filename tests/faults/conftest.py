"""The same fixtures as the contract's: each fault of the queue is tried on both backends."""

from __future__ import annotations

from tests.contract.conftest import broker, queue, room

__all__ = ["broker", "queue", "room"]
