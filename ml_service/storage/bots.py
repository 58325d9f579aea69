"""The bot as Telegram knows it: the app makes deep links with its name."""

from __future__ import annotations

from ml_service.storage.database import Session


async def set_name(session: Session, bot_id: int, username: str) -> None:
    """Remember how Telegram calls the bot."""
    await session.execute(
        "INSERT INTO telegram_bots (bot_id, username) VALUES ($1, $2)"
        " ON CONFLICT (bot_id) DO UPDATE SET username = excluded.username, seen_at = now()",
        bot_id,
        username,
    )


async def username(session: Session) -> str | None:
    """The name of the bot that ran last."""
    name: str | None = await session.fetchval("SELECT username FROM telegram_bots ORDER BY seen_at DESC LIMIT 1")
    return name
