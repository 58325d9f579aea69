"""Listing, discarding and replaying RabbitMQ's dead letters.

A queue has no index, so we get the messages one by one on a channel of their own. Those that are not acked go back, in
order, when the channel is closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from pamqp import commands

from ml_service.messaging.messages import UndecodableMessage, decode_tasks
from ml_service.messaging.queue import (
    DEAD_LETTERS,
    LETTERS_BYTES_MAX,
    NO_SUCH_LETTER,
    DeadLetter,
    Handled,
    TaskMessage,
)
from ml_service.messaging.rabbitmq.client.channel import Channel, Content
from ml_service.messaging.rabbitmq.client.connection import AmqpConnection
from ml_service.messaging.rabbitmq.topology import inspect

REASON = "x-reason"
"""Header with a consumer's own reason; the broker itself only says "rejected"."""

Replay = Callable[[Sequence[TaskMessage]], Awaitable[None]]


async def list_letters(connection: AmqpConnection, limit: int, timeout_s: float) -> list[DeadLetter]:
    """The oldest ``limit`` dead letters, fewer if they exceed `LETTERS_BYTES_MAX`.

    Raises:
        AmqpError: The connection is lost.
        TimeoutError: The broker does not answer.
    """
    letters: list[DeadLetter] = []
    size = 0
    async with _channel(connection, timeout_s) as channel:
        async for letter, _ in _letters(channel, limit, timeout_s):
            size += len(letter.body)
            if letters and size > LETTERS_BYTES_MAX:
                break
            letters.append(letter)
    return letters


async def find_letter(connection: AmqpConnection, letter_id: str, timeout_s: float) -> DeadLetter | None:
    """The dead letter with this id.

    Raises:
        AmqpError: The connection is lost.
        TimeoutError: The broker does not answer.
    """
    async with _channel(connection, timeout_s) as channel:
        async for letter, _ in _letters(channel, None, timeout_s):
            if letter.id == letter_id:
                return letter
    return None


async def remove_letters(
    connection: AmqpConnection, ids: Sequence[str] | None, replay: Replay | None, handled: Handled, timeout_s: float
) -> None:
    """Remove the letters with these ids, or all that there are now. With ``replay``: send each again, then remove it.

    However many there are, it goes on, as long as each step is answered in time.

    Args:
        handled: Counts what was done, also where this raises.

    Raises:
        AmqpError: The connection is lost.
        TimeoutError: The broker does not answer.
    """
    wanted = None if ids is None else dict.fromkeys(ids)
    found: set[str] = set()
    state = await inspect(connection, DEAD_LETTERS, timeout_s)
    number = (state.message_count or 0) if state is not None else 0  # what dies again meanwhile is not for this call
    async with _channel(connection, timeout_s) as channel:
        async for letter, tag in _letters(channel, number, timeout_s):
            if wanted is not None and letter.id not in wanted:
                continue
            found.add(letter.id)
            if replay is not None:
                if letter.message is None:
                    handled.skip(letter.id, letter.reason)
                    continue
                await replay([letter.message])
            channel.send(commands.Basic.Ack(tag))
            handled.done += 1
    for missing in [one for one in wanted or {} if one not in found]:
        handled.skip(missing, NO_SUCH_LETTER)


@asynccontextmanager
async def _channel(connection: AmqpConnection, timeout_s: float) -> AsyncIterator[Channel]:
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
    death = _death_of(headers.get("x-death"))
    reason = str(headers.get(REASON) or death.get("reason") or "unknown")
    message: TaskMessage | None = None
    try:
        message = decode_tasks(content.body)
    except UndecodableMessage as error:
        reason = f"undecodable: {error}"
    since = death.get("time", content.properties.timestamp)
    return DeadLetter(
        id=content.properties.message_id or hashlib.sha256(content.body).hexdigest()[:32],
        body=content.body.decode(errors="replace"),
        reason=reason,
        message=message,
        since=since if isinstance(since, datetime) else None,
    )


def _death_of(header: Any) -> dict[str, Any]:
    """How a letter died, as the broker writes it; a publisher may write anything under its name."""
    first = header[0] if isinstance(header, list) and header else None
    return first if isinstance(first, dict) else {}
