"""Fixtures that run a test on both queue backends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ml_service.messaging.queue import Queue
from tests.support.broker import Broker


@pytest.fixture(params=["postgres", "rabbitmq"])
def room(request: pytest.FixtureRequest) -> Broker:
    if request.param == "postgres":
        url, node = request.getfixturevalue("database_url"), request.getfixturevalue("postgres_node")
    else:
        url, node = request.getfixturevalue("amqp_url"), request.getfixturevalue("rabbit_node")
    return Broker(request.param, url, node)


@pytest.fixture
async def broker(room: Broker) -> AsyncIterator[Broker]:
    """A fresh room on a private node of each backend in turn."""
    yield room
    for queue in room.queues:
        await queue.close()


@pytest.fixture
async def queue(broker: Broker) -> Queue:
    """A queue on `broker`, declared."""
    queue = await broker.queue()
    await queue.declare()
    return queue
