"""Messages owed to chats: rows that are taken under a lease, sent, and marked.

A process that dies leaves its leases behind; another takes the rows when they have run out. ``due_at`` is another
matter: the receiver, or a broken network, asked to wait until then.

Messages to webhooks are in the same table: storage/webhook_deliveries.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ml_service.storage.database import Session

LEASE_S = 30.0
"""How long a delivery belongs to the process that took it, unless it renews the lease."""
OWED_DAYS = 90.0
"""How long a message waits for a chat that has blocked the bot, or for the end of what it is about."""


@dataclass(frozen=True, slots=True)
class ChatDelivery:
    """The answer to a prediction or a batch, owed to a chat; or a notice to it.

    Attributes:
        subject_id: The prediction's or the batch's id.
        user_id: Whose prediction it is.
        is_from_chat: It was asked for in this chat; False: by the API, and the chat is to hear of it.
        thread_id: The topic of the chat, where it has topics.
        request_message_id: The person's message; the answer replies to it.
        message_id: The bot's "accepted", which turns into the answer; None: it is not known to exist.
        attempts: How often it was taken, this time included; tells a process whose lease ran out from the next one.
        age_s: Seconds since it was accepted.
        event: What a notice is about, and its ``data`` as JSON text; None: it is an answer.
        group_id: The group in which the person asked; the answer goes there.
    """

    id: int
    subject_id: UUID
    user_id: UUID
    is_batch: bool
    chat_id: int
    is_from_chat: bool
    thread_id: int | None
    request_message_id: int | None
    message_id: int | None
    is_file_sent: bool
    is_delivered: bool
    attempts: int
    age_s: float
    group_id: int | None
    event: str | None = None
    data: str | None = None

    @property
    def target_id(self) -> int:
        """Where the answer goes."""
        return self.chat_id if self.group_id is None else self.group_id


_ADD = """
    INSERT INTO deliveries AS d
        (kind, subject_id, user_id, is_batch, chat_id, is_from_chat, request_message_id, thread_id, group_id,
        leased_until)
    VALUES ('chat', $1, $2, $3, $4, true, $5, $6, $7, now() + $8 * interval '1 second')
    ON CONFLICT (chat_id, subject_id) DO UPDATE SET
        request_message_id = excluded.request_message_id,
        thread_id = excluded.thread_id,
        group_id = excluded.group_id,
        leased_until = CASE WHEN d.message_id IS NULL THEN excluded.leased_until ELSE d.leased_until END
    RETURNING id, subject_id, user_id, is_batch, chat_id, is_from_chat, thread_id, request_message_id, message_id,
        file_sent_at IS NOT NULL AS is_file_sent, delivered_at IS NOT NULL AS is_delivered, attempts,
        extract(epoch FROM now() - created_at)::float8 AS age_s, group_id
"""


async def add(
    session: Session,
    subject_id: UUID,
    user_id: UUID,
    chat_id: int,
    request_message_id: int | None,
    thread_id: int | None,
    *,
    is_batch: bool,
    group_id: int | None = None,
) -> ChatDelivery:
    """The delivery to the chat that asked, held back until `let_go`.

    The statement that accepted the request has written it, unless the chat has left its account in that moment; a
    repetition finds it as the first time left it.
    """
    row = await session.fetchrow(
        _ADD, subject_id, user_id, is_batch, chat_id, request_message_id, thread_id, group_id, LEASE_S
    )
    assert row is not None  # noqa: S101  an upsert always returns its row
    return ChatDelivery(**dict(row))


async def keep_back(session: Session, ids: Sequence[int]) -> None:
    """Keep these back a while longer: their "accepted" is still on its way."""
    await session.execute(
        "UPDATE deliveries SET leased_until = now() + $2 * interval '1 second'"
        " WHERE id = ANY ($1::bigint[]) AND message_id IS NULL AND delivered_at IS NULL",
        ids,
        LEASE_S,
    )


async def let_go(session: Session, id_: int, message_id: int | None) -> None:
    """The chat shows "accepted" in this message (None: it could not be shown): the answer may follow."""
    await session.execute(
        "UPDATE deliveries SET message_id = coalesce($2, message_id), leased_until = NULL"
        " WHERE id = $1 AND delivered_at IS NULL",
        id_,
        message_id,
    )


# One answer of a chat at a time, the oldest first; chats that cannot be written to keep theirs until they can. What
# retention has deleted is due too: the chat is told.
_TAKE_DUE = """
    WITH due AS (
        SELECT DISTINCT ON (d.chat_id) d.id  -- deliveries_open
        FROM deliveries AS d JOIN telegram_chats AS c ON c.chat_id = d.chat_id
        WHERE d.delivered_at IS NULL AND d.chat_id IS NOT NULL AND d.due_at <= now()
            AND (d.leased_until IS NULL OR d.leased_until <= now())
            AND (d.group_id IS NOT NULL OR c.blocked_at IS NULL AND c.stopped_at IS NULL)
            AND d.chat_id <> ALL ($1::bigint[])
            AND CASE WHEN d.is_batch
                THEN NOT EXISTS (  -- predictions_open
                    SELECT FROM predictions AS p
                    WHERE p.user_id = d.user_id AND p.batch_id = d.subject_id AND p.finished_at IS NULL
                ) AND NOT EXISTS (
                    SELECT FROM bulk_jobs AS b WHERE b.id = d.subject_id AND b.finished_at IS NULL
                )
                ELSE NOT EXISTS (
                    SELECT FROM predictions AS p WHERE p.id = d.subject_id AND p.finished_at IS NULL
                ) END
        ORDER BY d.chat_id, d.id
    ), taken AS MATERIALIZED (
        SELECT d.id FROM deliveries AS d JOIN due ON due.id = d.id
        WHERE d.delivered_at IS NULL AND (d.leased_until IS NULL OR d.leased_until <= now())
        ORDER BY d.id LIMIT $2
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE deliveries AS d
    SET attempts = d.attempts + 1, leased_until = now() + $3 * interval '1 second'
    FROM taken AS t WHERE d.id = t.id
    RETURNING d.id, subject_id, user_id, is_batch, chat_id, is_from_chat, thread_id, request_message_id, message_id,
        file_sent_at IS NOT NULL AS is_file_sent, delivered_at IS NOT NULL AS is_delivered, attempts,
        extract(epoch FROM now() - created_at)::float8 AS age_s, group_id, event, data::text
"""


async def take_due(session: Session, *, but_chats: Sequence[int], limit: int) -> list[ChatDelivery]:
    """Take up to ``limit`` answers that have come, at most one for each chat, leaving out ``but_chats``."""
    rows = await session.fetch(_TAKE_DUE, but_chats, limit, LEASE_S)
    return [ChatDelivery(**dict(row)) for row in rows]


async def still_held(session: Session, delivery: ChatDelivery) -> bool:
    """Renew the lease of a taken delivery; False where it ran out meanwhile and another process has taken it."""
    return bool(
        await session.fetchval(
            "UPDATE deliveries SET leased_until = now() + $3 * interval '1 second'"
            " WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL RETURNING true",
            delivery.id,
            delivery.attempts,
            LEASE_S,
        )
    )


async def file_sent(session: Session, id_: int) -> None:
    """The file of answers is in the chat."""
    await session.execute("UPDATE deliveries SET file_sent_at = now() WHERE id = $1", id_)


async def delivered(session: Session, id_: int, error: str | None = None) -> None:
    """The answer is in the chat; or it was given up, with ``error``."""
    await session.execute(
        "UPDATE deliveries SET delivered_at = now(), leased_until = NULL, error = $2 WHERE id = $1", id_, error
    )


async def retry_later(session: Session, delivery: ChatDelivery, seconds: float, error: str | None = None) -> None:
    """Try again, not before ``seconds`` from now; nothing where another process has taken it meanwhile."""
    await session.execute(
        "UPDATE deliveries SET leased_until = NULL, due_at = now() + $3 * interval '1 second', error = $4"
        " WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL",
        delivery.id,
        delivery.attempts,
        seconds,
        error,
    )


async def forget_leases(session: Session, taken_before: datetime) -> None:
    """Free what was taken before, by processes that are gone; only for one that knows that no other runs."""
    await session.execute(
        "UPDATE deliveries SET leased_until = NULL"
        " WHERE delivered_at IS NULL AND chat_id IS NOT NULL"
        " AND leased_until <= $1::timestamptz + $2 * interval '1 second'",
        taken_before,
        LEASE_S,
    )


async def count_open(session: Session, count_max: int) -> int:
    """How many messages are owed, counted up to ``count_max``."""
    return int(
        await session.fetchval(
            "SELECT count(*) FROM"
            " (SELECT FROM deliveries WHERE delivered_at IS NULL AND chat_id IS NOT NULL LIMIT $1) AS open",
            count_max,
        )
    )


async def purge(session: Session) -> None:
    """Delete what was told to chats two weeks ago, and what could not be told for `OWED_DAYS`."""
    await session.execute(
        "DELETE FROM deliveries WHERE kind <> 'webhook' AND created_at < now() - interval '14 days'"
        " AND (delivered_at IS NOT NULL OR created_at < now() - $1 * interval '1 day')",
        OWED_DAYS,
    )
