"""Telegram's side of the database: chats and their accounts, codes that join them, the bot's own name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.predictions import Prediction
from ml_service.domain.users import username_key
from ml_service.storage.database import Session
from ml_service.storage.predictions import COLUMNS as PREDICTION_COLUMNS
from ml_service.storage.predictions import prediction_of

BOT_LOCK = 782
"""The key of the session advisory lock that the working bot process holds; with polling there can be only one."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A private chat and who pays in it.

    Attributes:
        user_id: The account that pays; ``own_user_id`` until the chat is joined with an account of the API.
        own_balance: Credits left on the chat's own account.
        model: The chosen model, or None for the default one.
        dialog: A half-finished question as JSON text, or None.
        is_silent: Nothing may be sent: the person stopped or blocked the bot.
    """

    chat_id: int
    user_id: UUID
    own_user_id: UUID
    own_balance: int
    username: str
    is_admin: bool
    language: str
    model: str | None
    dialog: str | None
    is_silent: bool

    @property
    def is_linked(self) -> bool:
        """Whether an account of the API pays."""
        return self.user_id != self.own_user_id

    @property
    def user_ids(self) -> list[UUID]:
        """Whose predictions this chat may see."""
        return list({self.user_id, self.own_user_id})


_CHAT = """
    SELECT c.chat_id, c.user_id, c.own_user_id, o.balance AS own_balance, u.username, u.is_admin, c.language, c.model,
        c.dialog::text AS dialog, c.blocked_at IS NOT NULL OR c.stopped_at IS NOT NULL AS is_silent
    FROM telegram_chats AS c JOIN users AS u ON u.id = c.user_id JOIN users AS o ON o.id = c.own_user_id
"""


async def get_chat(session: Session, chat_id: int) -> Chat | None:
    """The chat of this id."""
    row = await session.fetchrow(f"{_CHAT} WHERE c.chat_id = $1", chat_id)
    return None if row is None else Chat(**dict(row))


async def get_chats(session: Session, chat_ids: Sequence[int]) -> dict[int, Chat]:
    """The chats of these ids."""
    rows = await session.fetch(f"{_CHAT} WHERE c.chat_id = ANY($1::bigint[])", chat_ids)
    return {row["chat_id"]: Chat(**dict(row)) for row in rows}


async def admin_chats(session: Session) -> list[Chat]:
    """The chats of admins who can be written to."""
    rows = await session.fetch(f"{_CHAT} WHERE u.is_admin AND c.blocked_at IS NULL AND c.stopped_at IS NULL")
    return [Chat(**dict(row)) for row in rows]


async def lock_chat(session: Session, chat_id: int) -> None:
    """Let one process at a time make this chat; held until the commit."""
    await session.execute("SELECT pg_advisory_xact_lock(783, hashtext($1::bigint::text))", chat_id)


async def add_account(session: Session, user_id: UUID, username: str) -> bool:
    """Add a user without password, with balance 0; False where the name is taken."""
    added = await session.fetchval(
        "INSERT INTO users (id, username, username_key) VALUES ($1, $2, $3) ON CONFLICT (username_key) DO NOTHING"
        " RETURNING id",
        user_id,
        username,
        username_key(username),
    )
    return added is not None


async def add_chat(session: Session, chat_id: int, user_id: UUID, language: str) -> None:
    """Add a chat that pays from its own account."""
    await session.execute(
        "INSERT INTO telegram_chats (chat_id, own_user_id, user_id, language) VALUES ($1, $2, $2, $3)",
        chat_id,
        user_id,
        language,
    )


async def set_payer(session: Session, chat_id: int, user_id: UUID) -> None:
    """Let another account pay in this chat."""
    await session.execute("UPDATE telegram_chats SET user_id = $2 WHERE chat_id = $1", chat_id, user_id)


async def save_talk(session: Session, chat_id: int, *, language: str, model: str | None, dialog: str | None) -> None:
    """Keep what a handled update has changed in a chat."""
    await session.execute(
        "UPDATE telegram_chats SET language = $2, model = $3, dialog = $4::text::json WHERE chat_id = $1",
        chat_id,
        language,
        model,
        dialog,
    )


async def set_blocked(session: Session, chat_id: int) -> None:
    """The person has blocked the bot, or is gone: nothing can be sent to this chat."""
    await session.execute(
        "UPDATE telegram_chats SET blocked_at = now() WHERE chat_id = $1 AND blocked_at IS NULL", chat_id
    )


async def set_stopped(session: Session, chat_id: int) -> None:
    """The person wants no messages for now."""
    await session.execute("UPDATE telegram_chats SET stopped_at = now() WHERE chat_id = $1", chat_id)


async def set_open(session: Session, chat_id: int) -> None:
    """The person writes again: what is owed to the chat may be sent."""
    await session.execute(
        "UPDATE telegram_chats SET blocked_at = NULL, stopped_at = NULL"
        " WHERE chat_id = $1 AND (blocked_at IS NOT NULL OR stopped_at IS NOT NULL)",
        chat_id,
    )


# Codes.


async def add_code(session: Session, code_hash: bytes, user_id: UUID, lifetime_s: float) -> None:
    """Keep a new code; the user's unused older ones end."""
    await session.execute("DELETE FROM telegram_link_codes WHERE user_id = $1 AND used_by IS NULL", user_id)
    await session.execute(
        "INSERT INTO telegram_link_codes (code_hash, user_id, expires_at)"
        " VALUES ($1, $2, now() + $3 * interval '1 second')",
        code_hash,
        user_id,
        lifetime_s,
    )


async def code_owner(session: Session, code_hash: bytes) -> str | None:
    """The name of the account that made the code, if nobody has used it and it still holds."""
    name: str | None = await session.fetchval(
        "SELECT u.username FROM telegram_link_codes AS c JOIN users AS u ON u.id = c.user_id"
        " WHERE c.code_hash = $1 AND c.used_by IS NULL AND c.expires_at > now()",
        code_hash,
    )
    return name


async def use_code(session: Session, code_hash: bytes, chat_id: int) -> UUID | None:
    """The user who made the code, if it still holds; afterwards it holds only for this chat's own repetition."""
    user_id: UUID | None = await session.fetchval(
        "UPDATE telegram_link_codes SET used_by = $2"
        " WHERE code_hash = $1 AND coalesce(used_by, $2) = $2 AND expires_at > now() RETURNING user_id",
        code_hash,
        chat_id,
    )
    return user_id


# The bot's name.


async def set_bot(session: Session, bot_id: int, username: str) -> None:
    """Remember how Telegram calls the bot."""
    await session.execute(
        "INSERT INTO telegram_bots (bot_id, username) VALUES ($1, $2)"
        " ON CONFLICT (bot_id) DO UPDATE SET username = excluded.username, seen_at = now()",
        bot_id,
        username,
    )


async def bot_username(session: Session) -> str | None:
    """The name of the bot that ran last."""
    name: str | None = await session.fetchval("SELECT username FROM telegram_bots ORDER BY seen_at DESC LIMIT 1")
    return name


# Alerts: raised once, and ended once, whichever process notices.


async def raise_alert(session: Session, name: str) -> None:
    """Begin an alert, unless it has begun."""
    await session.execute("INSERT INTO telegram_alerts (name) VALUES ($1) ON CONFLICT DO NOTHING", name)


async def unsent_alert(session: Session, name: str) -> bool:
    """Whether the alert has begun and nobody was told."""
    return bool(await session.fetchval("SELECT true FROM telegram_alerts WHERE name = $1 AND sent_at IS NULL", name))


async def alert_sent(session: Session, name: str) -> None:
    """The admins were told."""
    await session.execute("UPDATE telegram_alerts SET sent_at = now() WHERE name = $1", name)


async def end_alert(session: Session, name: str) -> bool:
    """End an alert; returns whether there was one that the admins had heard of."""
    return bool(
        await session.fetchval("DELETE FROM telegram_alerts WHERE name = $1 RETURNING sent_at IS NOT NULL", name)
    )


# What a person looks at.

_PAGE = f"""
    SELECT {PREDICTION_COLUMNS} FROM predictions  -- predictions_of_user, read backwards for each account
    WHERE user_id = ANY ($1::uuid[]) AND ($2::text[] IS NULL OR status = ANY ($2))
    ORDER BY id DESC OFFSET $3 LIMIT $4
"""


async def history_page(
    session: Session, user_ids: Sequence[UUID], statuses: Sequence[str] | None, *, offset: int, limit: int
) -> list[Prediction]:
    """Predictions of these accounts, newest first, by number: buttons lead back and forth."""
    rows = await session.fetch(_PAGE, user_ids, statuses, offset, limit)
    return [prediction_of(row) for row in rows]


async def open_of(session: Session, user_ids: Sequence[UUID], limit: int) -> list[Prediction]:
    """Unfinished predictions of these accounts, newest first."""
    rows = await session.fetch(
        f"SELECT {PREDICTION_COLUMNS} FROM predictions"  # predictions_open
        " WHERE user_id = ANY ($1::uuid[]) AND finished_at IS NULL ORDER BY id DESC LIMIT $2",
        user_ids,
        limit,
    )
    return [prediction_of(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a model answers: the last answers' mean seconds, and how many predictions of all are unfinished."""

    open: int
    total_s: float | None
    predict_s: float | None


_PACE = """
    SELECT
        (SELECT count(*) FROM (SELECT FROM predictions WHERE finished_at IS NULL LIMIT $2) AS open) AS open,
        avg(extract(epoch FROM finished_at - created_at))::float8 AS total_s,
        avg(predict_ms / 1000)::float8 AS predict_s
    FROM (
        SELECT * FROM (SELECT * FROM predictions ORDER BY id DESC LIMIT 200) AS recent
        WHERE model = $1 AND status = 'succeeded' AND batch_id IS NULL LIMIT 20
    ) AS last
"""


async def pace(session: Session, model: str, open_max: int) -> Pace:
    """Look at the last answers of a model, and at the queue."""
    row = await session.fetchrow(_PACE, model, open_max)
    assert row is not None  # noqa: S101  an aggregate always returns one row
    return Pace(**dict(row))


async def failures(session: Session, since: UUID, limit: int) -> list[tuple[str, int]]:
    """Codes of failed predictions with ids from ``since`` on (a UUIDv7 of that time), the most frequent first."""
    rows = await session.fetch(
        "SELECT error_code, count(*) AS count FROM (SELECT error_code FROM predictions"
        " WHERE id >= $1 AND status IN ('failed', 'expired') LIMIT 100000) AS failed"
        " GROUP BY error_code ORDER BY count DESC, error_code LIMIT $2",
        since,
        limit,
    )
    return [(row["error_code"], row["count"]) for row in rows]


async def purge(session: Session) -> None:
    """Forget what nobody asks for any more: handled updates, answers given, codes that ended."""
    await session.execute("DELETE FROM telegram_updates WHERE handled_at < now() - interval '2 days'")
    await session.execute("DELETE FROM telegram_notifications WHERE created_at < now() - interval '14 days'")
    await session.execute("DELETE FROM telegram_link_codes WHERE expires_at < now() - interval '1 hour'")
