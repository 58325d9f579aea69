"""Looking at, discarding and replaying RabbitMQ's dead letters.

A queue has no index, so that they are got one by one on a channel of their own; those that are not acked go back, in
their order, when it is closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from pamqp import commands

from ml_service.messaging.amqp import Connection
from ml_service.messaging.amqp_channel import Channel, Content
from ml_service.messaging.messages import UndecodableMessage, decode_tasks
from ml_service.messaging.queue import DEAD_LETTERS, DeadLetter, TaskMessage

REASON = "x-reason"
"""Header in which a consumer says why; the broker's own word is only "rejected"."""

Replay = Callable[[Sequence[TaskMessage]], Awaitable[None]]


async def list_letters(connection: Connection, limit: int, timeout_s: float) -> list[DeadLetter]:
    """The oldest ``limit`` dead letters.

    Raises:
        AmqpError: The connection is lost.
        TimeoutError: The broker does not answer.
    """
    async with _channel(connection, timeout_s) as channel:
        return [letter async for letter, _ in _letters(channel, limit, timeout_s)]


async def remove_letters(
    connection: Connection, ids: Sequence[str] | None, replay: Replay | None, timeout_s: float
) -> int:
    """Take away the letters of these ids, or all; with ``replay``, those that can be sent again, after it has.

    Raises:
        AmqpError: The connection is lost.
        TimeoutError: The broker does not answer.
    """
    chosen = None if ids is None else set(ids)
    removed = 0
    async with _channel(connection, timeout_s) as channel:
        async for letter, tag in _letters(channel, None, timeout_s):
            if chosen is not None and letter.id not in chosen:
                continue
            if replay is not None:
                if letter.message is None:
                    continue
                await replay([letter.message])
            channel.send(commands.Basic.Ack(tag))
            removed += 1
    return removed


@asynccontextmanager
async def _channel(connection: Connection, timeout_s: float) -> AsyncIterator[Channel]:
    channel = await connection.open_channel(timeout_s=timeout_s)
    try:
        yield channel
    finally:
        await channel.close()


async def _letters(channel: Channel, limit: int | None, timeout_s: float) -> AsyncIterator[tuple[DeadLetter, int]]:
    got = 0
    while limit is None or got < limit:
        reply = await channel.call(commands.Basic.Get(queue=DEAD_LETTERS), timeout_s)
        if not isinstance(reply, Content) or not isinstance(reply.method, commands.Basic.GetOk):
            return
        got += 1
        yield _letter(reply), reply.method.delivery_tag or 0


def _letter(content: Content) -> DeadLetter:
    headers: dict[str, Any] = dict(content.properties.headers or {})
    deaths: list[dict[str, Any]] = headers.get("x-death") or []
    reason = str(headers.get(REASON) or (deaths[0].get("reason") if deaths else None) or "unknown")
    message: TaskMessage | None = None
    try:
        message = decode_tasks(content.body)
    except UndecodableMessage as error:
        reason = f"undecodable: {error}"
    since: datetime | None = deaths[0].get("time") if deaths else content.properties.timestamp
    return DeadLetter(
        id=content.properties.message_id or hashlib.sha256(content.body).hexdigest()[:32],
        body=content.body.decode(errors="replace"),
        reason=reason,
        message=message,
        since=since,
    )
