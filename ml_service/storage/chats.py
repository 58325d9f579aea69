"""Private chats of the bot, and the accounts that pay in them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.users import username_key
from ml_service.storage import users
from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class Chat:
    """A private chat and who pays in it.

    Attributes:
        user_id: The account that pays; ``own_user_id`` until the chat is linked to an account of the API.
        own_balance: Credits of the chat's own account that would move to another one: unspent grants do not.
        is_admin: And not blocked; a blocked admin does not count.
        is_blocked: The account that pays may not be used.
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
    is_blocked: bool
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


_GET = """
    SELECT c.chat_id, c.user_id, c.own_user_id, greatest(0, o.balance - greatest(0, o.grants_left)) AS own_balance,
        u.username, u.is_admin AND NOT u.is_blocked AS is_admin, u.is_blocked, c.language, c.model,
        c.dialog::text AS dialog, c.blocked_at IS NOT NULL OR c.stopped_at IS NOT NULL AS is_silent
    FROM telegram_chats AS c JOIN users AS u ON u.id = c.user_id JOIN users AS o ON o.id = c.own_user_id
    WHERE c.chat_id = $1
"""


async def get(session: Session, chat_id: int) -> Chat | None:
    """The chat of this id."""
    row = await session.fetchrow(_GET, chat_id)
    return None if row is None else Chat(**dict(row))


async def lock(session: Session, chat_id: int) -> None:
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


async def add(session: Session, chat_id: int, user_id: UUID, language: str) -> None:
    """Add a chat that pays from its own account."""
    await session.execute(
        "INSERT INTO telegram_chats (chat_id, own_user_id, user_id, language) VALUES ($1, $2, $2, $3)",
        chat_id,
        user_id,
        language,
    )


async def close_account(session: Session, chat_id: int) -> None:
    """Close the account that was made for a chat; what the chat is owed is not sent. Raises LastAdmin."""
    with users.keeping_an_admin():
        await session.execute("SELECT close_account_of_chat($1)", chat_id)


async def start_over(session: Session, chat_id: int, user_id: UUID, dialog: str | None) -> None:
    """Give a chat another account of its own and this dialog, and forget what was chosen; the language stays."""
    await session.execute(
        "UPDATE telegram_chats SET own_user_id = $2, user_id = $2, model = NULL, dialog = $3::text::json"
        " WHERE chat_id = $1",
        chat_id,
        user_id,
        dialog,
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


async def set_notify(session: Session, user_id: UUID, *, is_on: bool) -> None:
    """Whether answers to an account's requests by the API go to its chats where a request does not say."""
    await session.execute(
        "UPDATE users SET notify = CASE WHEN $2 THEN '{telegram}'::text[] ELSE '{}' END WHERE id = $1", user_id, is_on
    )


async def ids_of(session: Session, user_id: UUID) -> list[int]:
    """The chats in which this account pays."""
    rows = await session.fetch("SELECT chat_id FROM telegram_chats WHERE user_id = $1 ORDER BY chat_id", user_id)
    return [row["chat_id"] for row in rows]
