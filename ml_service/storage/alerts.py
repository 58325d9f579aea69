"""Alerts to admins: each admin is told of an alert once, even if several processes notice it."""

from __future__ import annotations

from datetime import datetime

from ml_service.storage.database import Session

_RAISED_AT = "SELECT raised_at FROM telegram_alerts WHERE name = $1"


async def begin(session: Session, name: str) -> datetime:
    """Begin an alert, unless it has begun; returns when that was, which tells it from later ones of its name."""
    await session.execute("INSERT INTO telegram_alerts (name) VALUES ($1) ON CONFLICT DO NOTHING", name)
    raised_at: datetime = await session.fetchval(_RAISED_AT, name)
    return raised_at


async def raised_at(session: Session, name: str) -> datetime | None:
    """When the alert began; None: there is none."""
    found: datetime | None = await session.fetchval(_RAISED_AT, name)
    return found


async def untold_admins(session: Session, name: str) -> list[tuple[int, str]]:
    """Chats of admins, with their languages, who have not heard of the alert and can be written to."""
    rows = await session.fetch(
        """
        SELECT c.chat_id, c.language FROM telegram_chats AS c JOIN users AS u ON u.id = c.user_id
        WHERE u.is_admin AND NOT u.is_blocked AND c.blocked_at IS NULL AND c.stopped_at IS NULL AND NOT EXISTS (
            SELECT FROM telegram_alert_receipts AS r WHERE r.name = $1 AND r.chat_id = c.chat_id
        )
        ORDER BY c.chat_id
        """,
        name,
    )
    return [(row["chat_id"], row["language"]) for row in rows]


async def told(session: Session, name: str, raised_at: datetime, chat_id: int) -> None:
    """This chat has heard of the alert that began then; nothing where it has ended meanwhile."""
    await session.execute(
        "INSERT INTO telegram_alert_receipts (name, chat_id)"
        " SELECT name, $3 FROM telegram_alerts WHERE name = $1 AND raised_at = $2 ON CONFLICT DO NOTHING",
        name,
        raised_at,
        chat_id,
    )


async def told_chats(session: Session, name: str) -> list[tuple[int, str]]:
    """Chats, with their languages, that heard of the alert and not of its end, and can be written to."""
    rows = await session.fetch(
        "SELECT c.chat_id, c.language FROM telegram_alert_receipts AS r"
        " JOIN telegram_chats AS c ON c.chat_id = r.chat_id"
        " WHERE r.name = $1 AND c.blocked_at IS NULL AND c.stopped_at IS NULL ORDER BY c.chat_id",
        name,
    )
    return [(row["chat_id"], row["language"]) for row in rows]


async def end_told(session: Session, name: str, raised_at: datetime, chat_id: int) -> None:
    """This chat has heard that the alert that began then ended; nothing where another one has begun meanwhile."""
    await session.execute(
        "DELETE FROM telegram_alert_receipts AS r USING telegram_alerts AS a"
        " WHERE a.name = r.name AND r.name = $1 AND a.raised_at = $2 AND r.chat_id = $3",
        name,
        raised_at,
        chat_id,
    )


async def end(session: Session, name: str, raised_at: datetime) -> None:
    """End the alert that began then, of which nobody is left to be told."""
    await session.execute("DELETE FROM telegram_alerts WHERE name = $1 AND raised_at = $2", name, raised_at)
