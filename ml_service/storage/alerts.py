"""Alerts to admins, and who was told of each: everybody once, whichever process notices."""

from __future__ import annotations

from ml_service.storage.database import Session


async def begin(session: Session, name: str) -> None:
    """Begin an alert, unless it has begun."""
    await session.execute("INSERT INTO telegram_alerts (name) VALUES ($1) ON CONFLICT DO NOTHING", name)


async def untold_admins(session: Session, name: str) -> list[tuple[int, str]]:
    """Chats of admins, with their languages, who have not heard of the alert and can be written to."""
    rows = await session.fetch(
        """
        SELECT c.chat_id, c.language FROM telegram_chats AS c JOIN users AS u ON u.id = c.user_id
        WHERE u.is_admin AND c.blocked_at IS NULL AND c.stopped_at IS NULL AND NOT EXISTS (
            SELECT FROM telegram_alert_receipts AS r WHERE r.name = $1 AND r.chat_id = c.chat_id
        )
        ORDER BY c.chat_id
        """,
        name,
    )
    return [(row["chat_id"], row["language"]) for row in rows]


async def told(session: Session, name: str, chat_id: int) -> None:
    """This chat has heard of the alert; nothing where it has ended meanwhile."""
    await session.execute(
        "INSERT INTO telegram_alert_receipts (name, chat_id) SELECT name, $2 FROM telegram_alerts WHERE name = $1"
        " ON CONFLICT DO NOTHING",
        name,
        chat_id,
    )


async def told_chats(session: Session, name: str) -> list[tuple[int, str]]:
    """Chats, with their languages, that heard of the alert and not of its end."""
    rows = await session.fetch(
        "SELECT c.chat_id, c.language FROM telegram_alert_receipts AS r"
        " JOIN telegram_chats AS c ON c.chat_id = r.chat_id WHERE r.name = $1 ORDER BY c.chat_id",
        name,
    )
    return [(row["chat_id"], row["language"]) for row in rows]


async def end_told(session: Session, name: str, chat_id: int) -> None:
    """This chat has heard that the alert ended."""
    await session.execute("DELETE FROM telegram_alert_receipts WHERE name = $1 AND chat_id = $2", name, chat_id)


async def end(session: Session, name: str) -> None:
    """End an alert that nobody is left to be told about."""
    await session.execute("DELETE FROM telegram_alerts WHERE name = $1", name)
