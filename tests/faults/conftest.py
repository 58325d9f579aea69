"""The contract's fixtures, for each fault of the queue is tried on both backends; and rigs of whole processes."""

from __future__ import annotations

import pytest

from tests.support.broker_fixtures import broker, queue, room
from tests.support.checker import note_ends

__all__ = ["broker", "noted_url", "queue", "room"]


@pytest.fixture
async def noted_url(database_url: str) -> str:
    """A fresh database that writes down each end of a prediction; the URL is its owner's."""
    await note_ends(database_url)
    return database_url
