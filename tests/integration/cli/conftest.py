"""Each test of the command line runs on both queue backends."""

from __future__ import annotations

from tests.support.broker_fixtures import broker, queue, room

__all__ = ["broker", "queue", "room"]
