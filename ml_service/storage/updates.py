"""What Telegram delivered: rows that are taken under a lease, handled, and marked.

A process that dies leaves its leases behind; another, or the next, takes the rows when they have run out. ``run_at``
is another matter: Telegram, or a broken network, asked to wait until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ml_service.storage.database import Session

LEASE_S = 30.0
"""How long an update belongs to the process that took it, unless it renews the lease."""
ALBUM_IDS = 1000
"""How far apart the ids of an album's updates are at most: they come within moments."""
_BIGINT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Update:
    """An update as Telegram sent it.

    Attributes:
        event: Names what happened (this message, that tap), whatever id the update has; ends with the `album_mark`
            of a message that belongs to an album.
        body: Its JSON text.
        attempts: How often it was taken, this time included.
    """

    update_id: int
    chat_id: int
    event: str
    body: str
    attempts: int = 0


# An id that comes again with another event is not a twin: Telegram has begun its ids again. The row of before is
# replaced if it is handled, and else keeps its place: the new update is not kept, and has to come again. Rows from
# before events were recorded have an empty one, and count as twins.
_KEEP = """
    INSERT INTO telegram_updates AS t (bot_id, update_id, chat_id, event, body)
    SELECT $1, u.update_id, u.chat_id, u.event, u.body::json
    FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[]) AS u (update_id, chat_id, event, body)
    ON CONFLICT (bot_id, update_id) DO UPDATE SET
        chat_id = excluded.chat_id, event = excluded.event, body = excluded.body, attempts = 0, received_at = now(),
        run_at = now(), leased_until = NULL, handled_at = NULL, error = NULL
    WHERE t.handled_at IS NOT NULL AND t.event NOT IN ('', excluded.event)
"""
_IN_THE_WAY = """
    SELECT u.update_id
    FROM unnest($2::bigint[], $3::text[]) AS u (update_id, event)
    JOIN telegram_updates AS t ON t.bot_id = $1 AND t.update_id = u.update_id
    WHERE t.event NOT IN ('', u.event)
"""


async def keep(session: Session, bot_id: int, updates: Sequence[Update]) -> tuple[int, set[int]]:
    """Keep what Telegram delivered; twins change nothing.

    Returns:
        How many were new, and the ids of those that could not be kept because an older update of the same id waits.
    """
    unique = list({update.update_id: update for update in updates}.values())
    ids, events = [update.update_id for update in unique], [update.event for update in unique]
    tag = await session.execute(
        _KEEP, bot_id, ids, [update.chat_id for update in unique], events, [update.body for update in unique]
    )
    rows = await session.fetch(_IN_THE_WAY, bot_id, ids, events)
    return int(tag.rpartition(" ")[2]), {row["update_id"] for row in rows}


# Only the oldest waiting update of a chat may be taken, and only if nobody holds it: a chat's messages keep their order
# for every handler.
_TAKE = """
    WITH head AS (
        SELECT DISTINCT ON (chat_id) chat_id, update_id  -- telegram_updates_waiting
        FROM telegram_updates
        WHERE bot_id = $1 AND handled_at IS NULL AND chat_id <> ALL ($2::bigint[])
        ORDER BY chat_id, update_id
    ), free AS MATERIALIZED (
        SELECT u.update_id FROM telegram_updates AS u JOIN head AS h ON h.update_id = u.update_id
        WHERE u.bot_id = $1 AND u.handled_at IS NULL AND u.run_at <= now()
            AND (u.leased_until IS NULL OR u.leased_until <= now())
        ORDER BY u.update_id LIMIT $3
        FOR UPDATE OF u SKIP LOCKED
    )
    UPDATE telegram_updates AS u SET attempts = u.attempts + 1, leased_until = now() + $4 * interval '1 second'
    FROM free AS f WHERE u.bot_id = $1 AND u.update_id = f.update_id AND u.handled_at IS NULL
    RETURNING u.update_id, u.chat_id, u.event, u.body::text AS body, u.attempts
"""


async def take(session: Session, bot_id: int, *, but_chats: Sequence[int], limit: int) -> list[Update]:
    """Take the oldest waiting update of up to ``limit`` chats, leaving out ``but_chats``."""
    rows = await session.fetch(_TAKE, bot_id, but_chats, limit, LEASE_S)
    return [Update(**dict(row)) for row in rows]


async def renew(session: Session, bot_id: int, update_ids: Sequence[int]) -> None:
    """These are still being handled."""
    await session.execute(
        "UPDATE telegram_updates SET leased_until = now() + $3 * interval '1 second'"
        " WHERE bot_id = $1 AND update_id = ANY ($2::bigint[]) AND handled_at IS NULL",
        bot_id,
        update_ids,
        LEASE_S,
    )


async def handled(session: Session, bot_id: int, update_id: int, error: str | None = None) -> None:
    """It is done, or given up with ``error``; its words are forgotten."""
    await session.execute(
        "UPDATE telegram_updates SET handled_at = now(), leased_until = NULL, body = NULL, error = $3"
        " WHERE bot_id = $1 AND update_id = $2 AND handled_at IS NULL",
        bot_id,
        update_id,
        error,
    )


def album_mark(album: str) -> str:
    """How the events of an album's messages end: their bodies are forgotten once they are handled."""
    return f":album:{album}"


_IS_ALBUM_HANDLED = """
    SELECT EXISTS (
        SELECT FROM telegram_updates  -- telegram_updates_pkey
        WHERE bot_id = $1 AND update_id BETWEEN $2 AND $3
            AND chat_id = $4 AND handled_at IS NOT NULL AND right(event, length($5)) = $5
    )
"""


async def is_album_handled(session: Session, bot_id: int, update: Update, album: str) -> bool:
    """Whether a message of the update's album was handled, by whichever process.

    Answers for good while ``update`` is held: nothing else of its chat is handled meanwhile.
    """
    first, last = update.update_id - ALBUM_IDS, min(update.update_id + ALBUM_IDS, _BIGINT_MAX)
    return bool(await session.fetchval(_IS_ALBUM_HANDLED, bot_id, first, last, update.chat_id, album_mark(album)))


async def retry_later(session: Session, bot_id: int, update_id: int, seconds: float) -> None:
    """Handle it again, not before ``seconds`` from now."""
    await session.execute(
        "UPDATE telegram_updates SET leased_until = NULL, run_at = now() + $3 * interval '1 second'"
        " WHERE bot_id = $1 AND update_id = $2",
        bot_id,
        update_id,
        seconds,
    )


async def forget_leases(session: Session, bot_id: int, taken_before: datetime) -> None:
    """Free what was taken before, by processes that are gone; only for one that knows that no other runs."""
    await session.execute(
        "UPDATE telegram_updates SET leased_until = NULL"
        " WHERE bot_id = $1 AND handled_at IS NULL AND leased_until <= $2::timestamptz + $3 * interval '1 second'",
        bot_id,
        taken_before,
        LEASE_S,
    )


async def purge(session: Session) -> None:
    """Delete updates that were handled more than two days ago."""
    await session.execute("DELETE FROM telegram_updates WHERE handled_at < now() - interval '2 days'")
