"""Makes the queue backend that the settings name."""

from __future__ import annotations

from ml_service.messaging.amqp import Address
from ml_service.messaging.postgres import PostgresQueue
from ml_service.messaging.queue import Queue, QueueLimits
from ml_service.messaging.rabbitmq import RabbitQueue


async def connect_queue(
    backend: str,
    *,
    amqp_url: str | None = None,
    database_url: str | None = None,
    name: str = "ml-service",
    limits: QueueLimits | None = None,
) -> Queue:
    """Make a queue; it connects when it is first used, and again whenever it must.

    Args:
        backend: ``"rabbitmq"`` or ``"postgres"``.
        amqp_url: For rabbitmq: ``amqp://user:password@host:port/vhost``, or ``amqps://``.
        database_url: For postgres: the database that holds ``queue_messages``.
        name: What the broker calls our connections.
        limits: Its bounds; the defaults suit production.

    Raises:
        ValueError: The backend is unknown, or its URL is missing or none.
    """
    limits = limits or QueueLimits()
    if backend == "rabbitmq" and amqp_url:
        Address.parse(amqp_url)  # a URL that is none is told now, not at the first message
        return RabbitQueue(amqp_url, name=name, limits=limits)
    if backend == "postgres" and database_url:
        return PostgresQueue(database_url, name=name, limits=limits)
    raise ValueError(f"the queue backend {backend!r} is unknown, or its URL is missing")
