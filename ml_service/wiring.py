"""Opens what the settings name; every entry, the services and the command line, begins here."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ml_service.messaging.connect import check_amqp_url, connect_queue
from ml_service.messaging.queue import Queue
from ml_service.platform.settings.common import CommonSettings, EdgeSettings
from ml_service.storage import address
from ml_service.storage.database import Database

if TYPE_CHECKING:
    from ml_service.usecases.bulk_receiving import BulkLimits
    from ml_service.usecases.submissions import SubmitLimits


def check_addresses(settings: CommonSettings) -> None:
    """Exit with one sentence where DATABASE_URL or AMQP_URL has a wrong option, as where a setting is wrong."""
    if wrong := address.what_is_wrong(settings.database_url):
        raise SystemExit(f"DATABASE_URL: {wrong}")
    if settings.backend == "rabbitmq" and settings.amqp_url:
        try:
            check_amqp_url(settings.amqp_url.get_secret_value())
        except ValueError as error:
            raise SystemExit(f"AMQP_URL: {error}.") from None


async def open_database(
    settings: CommonSettings,
    stack: AsyncExitStack,
    name: str,
    *,
    connections_max: int,
    durable: bool = True,
    timeout_s: float | None = None,
) -> Database:
    """The database, closed with ``stack``.

    Args:
        name: What the server calls our connections.
        durable: See `Database.connect`.
        timeout_s: Other than the setting's.
    """
    check_addresses(settings)
    database = await Database.connect(
        settings.database_url,
        name=name,
        connections_max=connections_max,
        timeout_s=timeout_s or settings.database_timeout_s,
        durable=durable,
    )
    stack.push_async_callback(database.close)
    return database


async def open_queue(settings: CommonSettings, stack: AsyncExitStack, name: str) -> Queue:
    """The queue of the backend in use, closed with ``stack``; ``name`` is what the broker calls our connections."""
    check_addresses(settings)
    queue = await connect_queue(
        settings.backend,
        amqp_url=settings.amqp_url.get_secret_value() if settings.amqp_url else None,
        database_url=settings.database_url,
        name=name,
    )
    stack.push_async_callback(queue.close)
    return queue


def bulk_limits_of(settings: EdgeSettings) -> BulkLimits:
    """What a bulk job may hold."""
    from ml_service.usecases.bulk_receiving import BulkLimits  # noqa: PLC0415 - a worker does without

    return BulkLimits(
        input_bytes_max=settings.input_bytes_max,
        bulk_lines_max=settings.bulk_lines_max,
        bulk_jobs_per_user_max=settings.bulk_jobs_per_user_max,
    )


def limits_of(settings: EdgeSettings) -> SubmitLimits:
    """What one request and one user may ask for."""
    from ml_service.usecases.submissions import SubmitLimits  # noqa: PLC0415 - the same

    return SubmitLimits(
        input_bytes_max=settings.input_bytes_max,
        batch_items_max=settings.batch_items_max,
        open_predictions_per_user_max=settings.open_predictions_per_user_max,
        deadline_s_max=settings.deadline_s_max,
    )
