"""What the bot has received and what it owes: rows that are taken under a lease, done, and marked.

A process that dies leaves its leases behind; another, or the next, takes the rows when they have run out. ``run_at``
is another matter: Telegram, or a broken network, asked to wait until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ml_service.storage.database import Session

LEASE_S = 30.0
"""How long a row belongs to the process that took it, unless it renews."""


@dataclass(frozen=True, slots=True)
class Update:
    """An update as Telegram sent it: ``body`` is its JSON text."""

    update_id: int
    chat_id: int
    body: str
    attempts: int = 0


async def keep_updates(session: Session, bot_id: int, updates: Sequence[Update]) -> int:
    """Keep what Telegram delivered; twins change nothing. Returns how many were new."""
    tag = await session.execute(
        "INSERT INTO telegram_updates (bot_id, update_id, chat_id, body)"
        " SELECT $1, u.id, u.chat_id, u.body::json FROM unnest($2::bigint[], $3::bigint[], $4::text[])"
        " AS u (id, chat_id, body) ON CONFLICT DO NOTHING",
        bot_id,
        [update.update_id for update in updates],
        [update.chat_id for update in updates],
        [update.body for update in updates],
    )
    return int(tag.rpartition(" ")[2])


# Only the oldest waiting update of a chat may be taken, and only if nobody holds it: a chat's messages keep their order
# whoever handles them.
_TAKE_UPDATES = """
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
    RETURNING u.update_id, u.chat_id, u.body::text AS body, u.attempts
"""


async def take_updates(session: Session, bot_id: int, *, but_chats: Sequence[int], limit: int) -> list[Update]:
    """Take the oldest waiting update of up to ``limit`` chats, leaving out ``but_chats``."""
    rows = await session.fetch(_TAKE_UPDATES, bot_id, but_chats, limit, LEASE_S)
    return [Update(**dict(row)) for row in rows]


async def renew_updates(session: Session, bot_id: int, update_ids: Sequence[int]) -> None:
    """These are still being handled."""
    await session.execute(
        "UPDATE telegram_updates SET leased_until = now() + $3 * interval '1 second'"
        " WHERE bot_id = $1 AND update_id = ANY ($2::bigint[]) AND handled_at IS NULL",
        bot_id,
        update_ids,
        LEASE_S,
    )


async def update_handled(session: Session, bot_id: int, update_id: int, error: str | None = None) -> None:
    """It is done, or given up with ``error``; its words are forgotten."""
    await session.execute(
        "UPDATE telegram_updates SET handled_at = now(), leased_until = NULL, body = NULL, error = $3"
        " WHERE bot_id = $1 AND update_id = $2 AND handled_at IS NULL",
        bot_id,
        update_id,
        error,
    )


async def put_update_off(session: Session, bot_id: int, update_id: int, seconds: float) -> None:
    """Handle it again, not before ``seconds`` from now."""
    await session.execute(
        "UPDATE telegram_updates SET leased_until = NULL, run_at = now() + $3 * interval '1 second'"
        " WHERE bot_id = $1 AND update_id = $2",
        bot_id,
        update_id,
        seconds,
    )


async def forget_leases(session: Session, bot_id: int) -> None:
    """Take over from a process that is gone; only for one who knows that no other runs."""
    await session.execute(
        "UPDATE telegram_updates SET leased_until = NULL"
        " WHERE bot_id = $1 AND handled_at IS NULL AND leased_until IS NOT NULL",
        bot_id,
    )
    await session.execute(
        "UPDATE telegram_notifications SET leased_until = NULL WHERE notified_at IS NULL AND leased_until IS NOT NULL"
    )


@dataclass(frozen=True, slots=True)
class Owed:
    """An answer that a chat is owed.

    Attributes:
        attempts: How often it was taken, this time included; tells a process whose lease ran out from the next one.
        message_id: The bot's "accepted", which turns into the answer; None: it is not known to exist.
        age_s: Seconds since it was accepted.
    """

    id: UUID
    is_batch: bool
    chat_id: int
    request_message_id: int | None
    message_id: int | None
    is_file_sent: bool
    is_notified: bool
    attempts: int
    age_s: float


_OWED = """
    id, is_batch, chat_id, request_message_id, message_id, file_sent_at IS NOT NULL AS is_file_sent,
    notified_at IS NOT NULL AS is_notified, attempts, extract(epoch FROM now() - created_at)::float8 AS age_s
"""


async def owe(session: Session, id_: UUID, chat_id: int, request_message_id: int | None, *, is_batch: bool) -> Owed:
    """Note that an answer is owed, and hold it back until `accepted_shown`; a repetition finds what there is."""
    row = await session.fetchrow(
        f"""
        INSERT INTO telegram_notifications AS n (id, is_batch, chat_id, request_message_id, leased_until)
        VALUES ($1, $2, $3, $4, now() + $5 * interval '1 second')
        ON CONFLICT (id) DO UPDATE SET leased_until = CASE
            WHEN n.message_id IS NULL THEN excluded.leased_until ELSE n.leased_until END
        RETURNING {_OWED}
        """,
        id_,
        is_batch,
        chat_id,
        request_message_id,
        LEASE_S,
    )
    assert row is not None  # noqa: S101  an upsert always returns its row
    return Owed(**dict(row))


async def hold_owed(session: Session, ids: Sequence[UUID]) -> None:
    """Hold these back a while longer: their "accepted" is still on its way."""
    await session.execute(
        "UPDATE telegram_notifications SET leased_until = now() + $2 * interval '1 second'"
        " WHERE id = ANY ($1::uuid[]) AND message_id IS NULL AND notified_at IS NULL",
        ids,
        LEASE_S,
    )


async def accepted_shown(session: Session, id_: UUID, message_id: int | None) -> None:
    """The chat shows "accepted" in this message (None: it could not be shown): the answer may follow."""
    await session.execute(
        "UPDATE telegram_notifications SET message_id = coalesce($2, message_id), leased_until = NULL"
        " WHERE id = $1 AND notified_at IS NULL",
        id_,
        message_id,
    )


# One answer of a chat at a time, the oldest first; chats that cannot be written to keep theirs for later.
_TAKE_DUE = f"""
    WITH due AS (
        SELECT DISTINCT ON (n.chat_id) n.id  -- telegram_notifications_owed
        FROM telegram_notifications AS n JOIN telegram_chats AS c ON c.chat_id = n.chat_id
        WHERE n.notified_at IS NULL AND n.run_at <= now() AND (n.leased_until IS NULL OR n.leased_until <= now())
            AND c.blocked_at IS NULL AND c.stopped_at IS NULL AND n.chat_id <> ALL ($1::bigint[])
            AND CASE WHEN n.is_batch
                THEN NOT EXISTS (SELECT FROM predictions AS p WHERE p.batch_id = n.id AND p.finished_at IS NULL)
                ELSE EXISTS (SELECT FROM predictions AS p WHERE p.id = n.id AND p.finished_at IS NOT NULL) END
        ORDER BY n.chat_id, n.id
    ), taken AS MATERIALIZED (
        SELECT n.id FROM telegram_notifications AS n JOIN due AS d ON d.id = n.id
        WHERE n.notified_at IS NULL AND (n.leased_until IS NULL OR n.leased_until <= now())
        ORDER BY n.id LIMIT $2
        FOR UPDATE OF n SKIP LOCKED
    )
    UPDATE telegram_notifications AS n
    SET attempts = n.attempts + 1, leased_until = now() + $3 * interval '1 second'
    FROM taken AS t WHERE n.id = t.id
    RETURNING {_OWED.replace("id, is_batch", "n.id, is_batch", 1)}
"""


async def take_due(session: Session, *, but_chats: Sequence[int], limit: int) -> list[Owed]:
    """Take up to ``limit`` answers that have come, at most one for each chat, leaving out ``but_chats``."""
    rows = await session.fetch(_TAKE_DUE, but_chats, limit, LEASE_S)
    return [Owed(**dict(row)) for row in rows]


async def still_taken(session: Session, owed: Owed) -> bool:
    """Renew the lease of a taken answer; False where it ran out meanwhile and another process has taken it."""
    return bool(
        await session.fetchval(
            "UPDATE telegram_notifications SET leased_until = now() + $3 * interval '1 second'"
            " WHERE id = $1 AND attempts = $2 AND notified_at IS NULL RETURNING true",
            owed.id,
            owed.attempts,
            LEASE_S,
        )
    )


async def file_sent(session: Session, id_: UUID) -> None:
    """A batch's result file is in the chat."""
    await session.execute("UPDATE telegram_notifications SET file_sent_at = now() WHERE id = $1", id_)


async def notified(session: Session, id_: UUID, error: str | None = None) -> None:
    """The answer is in the chat; or it was given up, with ``error``."""
    await session.execute(
        "UPDATE telegram_notifications SET notified_at = now(), leased_until = NULL, error = $2 WHERE id = $1",
        id_,
        error,
    )


async def put_answer_off(session: Session, owed: Owed, seconds: float) -> None:
    """Try again, not before ``seconds`` from now; nothing where another process has taken it meanwhile."""
    await session.execute(
        "UPDATE telegram_notifications SET leased_until = NULL, run_at = now() + $3 * interval '1 second'"
        " WHERE id = $1 AND attempts = $2 AND notified_at IS NULL",
        owed.id,
        owed.attempts,
        seconds,
    )


async def count_owed(session: Session, count_max: int) -> int:
    """How many answers are owed, counted up to ``count_max``."""
    return int(
        await session.fetchval(
            "SELECT count(*) FROM (SELECT FROM telegram_notifications WHERE notified_at IS NULL LIMIT $1) AS owed",
            count_max,
        )
    )
