"""Listing, discarding and replaying the dead letters in PostgreSQL: rows of ``queue_messages`` in their own queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml_service.messaging.messages import UndecodableMessage, decode_tasks
from ml_service.messaging.postgres.queue_connection import Connection
from ml_service.messaging.queue import (
    DEAD_LETTERS,
    LETTERS_BYTES_MAX,
    NO_SUCH_LETTER,
    DeadLetter,
    Handled,
    TaskMessage,
    queue_of,
)

PAGE = 100
"""Letters replayed in one transaction."""
ID_MAX = 2**63 - 1
ID_DIGITS_MAX = 19

# All of these use the partial index queue_messages_ready; a dead letter has no consumer.
LIST = """
    SELECT id, body, reason, enqueued_at FROM (
        SELECT id, body, reason, enqueued_at, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before
        FROM (
            SELECT id, body, reason, enqueued_at FROM queue_messages
            WHERE queue = $1 AND consumer IS NULL ORDER BY id LIMIT $2
        ) AS oldest
    ) AS sized
    WHERE before < $3
    ORDER BY id
"""
FIND = """
    SELECT id, body, reason, enqueued_at FROM queue_messages
    WHERE queue = $1 AND consumer IS NULL AND id = $2
"""
COUNT = "SELECT count(*) FROM queue_messages WHERE queue = $1 AND consumer IS NULL"
DISCARD = "DELETE FROM queue_messages WHERE queue = $1 AND consumer IS NULL AND id = ANY($2::bigint[]) RETURNING id"
DISCARD_ALL = "DELETE FROM queue_messages WHERE queue = $1 AND consumer IS NULL"
LOCK_PAGE = """
    SELECT id, body, reason, enqueued_at FROM queue_messages
    WHERE queue = $1 AND consumer IS NULL AND id > $2 AND ($3::bigint[] IS NULL OR id = ANY($3))
    ORDER BY id LIMIT $4
    FOR UPDATE
"""
REPLAY = """
    UPDATE queue_messages AS letter
    SET queue = again.queue, reason = NULL, deliveries = 0, visible_at = now()
    FROM unnest($1::bigint[], $2::text[]) AS again (id, queue)
    WHERE letter.id = again.id
"""


async def list_letters(connection: Connection, limit: int) -> list[DeadLetter]:
    """The oldest ``limit`` dead letters, fewer if they exceed `LETTERS_BYTES_MAX`."""
    return [_letter(row) for row in await connection.fetch(LIST, DEAD_LETTERS, limit, LETTERS_BYTES_MAX)]


async def find_letter(connection: Connection, letter_id: str) -> DeadLetter | None:
    """The dead letter with this id."""
    number = _number(letter_id)
    row = await connection.fetchrow(FIND, DEAD_LETTERS, number) if number is not None else None
    return _letter(row) if row is not None else None


async def count_letters(connection: Connection) -> int:
    """How many dead letters there are."""
    return int(await connection.fetchval(COUNT, DEAD_LETTERS))


async def discard_letters(connection: Connection, ids: Sequence[str] | None) -> Handled:
    """Delete these dead letters, or all."""
    handled = Handled()
    if ids is None:
        handled.done = int((await connection.execute(DISCARD_ALL, DEAD_LETTERS)).split()[-1])
        return handled
    gone = {str(row["id"]) for row in await connection.fetch(DISCARD, DEAD_LETTERS, _numbers(ids))}
    handled.done = len(gone)
    for missing in [one for one in dict.fromkeys(ids) if one not in gone]:
        handled.skip(missing, NO_SUCH_LETTER)
    return handled


async def replay_page(connection: Connection, ids: Sequence[str] | None, after: int, handled: Handled) -> Sequence[str]:
    """Send the next `PAGE` dead letters to their queues again, in one transaction.

    Args:
        connection: Not in a transaction.
        ids: Those to choose from; None for all.
        after: The row after which the page begins.
        handled: Counts what was done.

    Returns:
        The ids of the page, oldest first, replayed or not.
    """
    numbers = None if ids is None else _numbers(ids)
    async with connection.transaction():
        letters = [_letter(row) for row in await connection.fetch(LOCK_PAGE, DEAD_LETTERS, after, numbers, PAGE)]
        sendable = [(int(one.id), queue_of(one.message.pool)) for one in letters if one.message is not None]
        await connection.execute(REPLAY, [number for number, _ in sendable], [queue for _, queue in sendable])
    handled.done += len(sendable)
    for letter in letters:
        if letter.message is None:
            handled.skip(letter.id, letter.reason)
    return [letter.id for letter in letters]


def _letter(row: Any) -> DeadLetter:
    reason = row["reason"] or "unknown"
    message: TaskMessage | None = None
    try:
        message = decode_tasks(row["body"])
    except UndecodableMessage as error:
        reason = f"undecodable: {error}"
    return DeadLetter(id=str(row["id"]), body=row["body"], reason=reason, message=message, since=row["enqueued_at"])


def _number(letter_id: str) -> int | None:
    """The row's number; None for anything that is not written as we write it, such as "007"."""
    if not (letter_id.isascii() and letter_id.isdigit() and len(letter_id) <= ID_DIGITS_MAX):
        return None
    number = int(letter_id)
    return number if number <= ID_MAX and str(number) == letter_id else None


def _numbers(ids: Sequence[str]) -> list[int]:
    return [number for number in map(_number, ids) if number is not None]
