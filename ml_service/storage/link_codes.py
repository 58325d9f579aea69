"""One-time codes that link a chat to an account of the API. Only their hashes are kept."""

from __future__ import annotations

from uuid import UUID

from ml_service.storage.database import Session


async def add(session: Session, code_hash: bytes, user_id: UUID, session_id: UUID | None, lifetime_s: float) -> bool:
    """Keep a new code if the user's sign-in is still valid; the user's unused older ones end.

    The sign-in stays locked until the commit, so that ending it either sees this code or refuses it.
    """
    await end_unused(session, user_id)
    tag = await session.execute(
        """
        INSERT INTO telegram_link_codes (code_hash, user_id, expires_at)
        SELECT $1, s.user_id, now() + $4 * interval '1 second' FROM sessions AS s
        WHERE s.id = $3 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() FOR SHARE
        """,
        code_hash,
        user_id,
        session_id,
        lifetime_s,
    )
    return bool(tag == "INSERT 0 1")


async def end_unused(session: Session, user_id: UUID) -> None:
    """End a user's unused codes."""
    await session.execute("DELETE FROM telegram_link_codes WHERE user_id = $1 AND used_by IS NULL", user_id)


async def owner(session: Session, code_hash: bytes) -> str | None:
    """The name of the account that made the code, if nobody has used it and it still holds."""
    name: str | None = await session.fetchval(
        "SELECT u.username FROM telegram_link_codes AS c JOIN users AS u ON u.id = c.user_id"
        " WHERE c.code_hash = $1 AND c.used_by IS NULL AND c.expires_at > now()",
        code_hash,
    )
    return name


async def linked_user(session: Session, code_hash: bytes, chat_id: int) -> UUID | None:
    """The user whose account this chat was linked to by this code, or None."""
    user_id: UUID | None = await session.fetchval(
        "SELECT user_id FROM telegram_link_codes WHERE code_hash = $1 AND used_by = $2", code_hash, chat_id
    )
    return user_id


async def use(session: Session, code_hash: bytes, chat_id: int) -> UUID | None:
    """Use a code: returns the user who made it, or None if it has ended.

    From then on only this chat may repeat it, also past its time: an update that is put off is handled later.
    """
    user_id: UUID | None = await session.fetchval(
        "UPDATE telegram_link_codes SET used_by = $2"
        " WHERE code_hash = $1 AND (used_by = $2 OR (used_by IS NULL AND expires_at > now())) RETURNING user_id",
        code_hash,
        chat_id,
    )
    return user_id


async def purge(session: Session) -> None:
    """Delete codes that ended more than an hour ago."""
    await session.execute("DELETE FROM telegram_link_codes WHERE expires_at < now() - interval '1 hour'")
