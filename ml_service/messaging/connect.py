"""Picks the queue backend that the settings name."""

from __future__ import annotations

from ml_service.messaging.postgres.backend import PostgresQueue
from ml_service.messaging.queue import Queue, QueueLimits


def check_amqp_url(url: str) -> None:
    """Report a malformed URL now, not at the first message; raises ValueError."""
    # Without it a process of a service on PostgreSQL alone takes 1 MiB less.
    from ml_service.messaging.rabbitmq.client.address import BrokerAddress  # noqa: PLC0415

    BrokerAddress.parse(url)


async def connect_queue(
    backend: str,
    *,
    amqp_url: str | None = None,
    database_url: str | None = None,
    name: str = "ml-service",
    limits: QueueLimits | None = None,
) -> Queue:
    """Make a queue; it connects on first use, and again whenever its connection is lost.

    Args:
        backend: ``"rabbitmq"`` or ``"postgres"``.
        amqp_url: For rabbitmq: ``amqp://user:password@host:port/vhost``, or ``amqps://``.
        database_url: For postgres: the database that holds ``queue_messages``.
        name: Our connections' name, as the broker shows it.
        limits: The bounds of the queue; the defaults suit production.

    Raises:
        ValueError: The backend is unknown, or its URL is missing or malformed.
    """
    limits = limits or QueueLimits()
    if backend == "rabbitmq" and amqp_url:
        from ml_service.messaging.rabbitmq.backend import RabbitQueue  # noqa: PLC0415 - as above

        check_amqp_url(amqp_url)
        return RabbitQueue(amqp_url, name=name, limits=limits)
    if backend == "postgres" and database_url:
        return PostgresQueue(database_url, name=name, limits=limits)
    raise ValueError(f"the queue backend {backend!r} is unknown, or its URL is missing")
