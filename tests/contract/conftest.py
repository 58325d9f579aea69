"""Each test of the contract runs on both backends."""

from __future__ import annotations

from tests.support.broker_fixtures import broker, queue, room

__all__ = ["broker", "queue", "room"]
