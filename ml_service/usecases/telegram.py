"""What can be done from Telegram beside asking: get an account, join it with one of the API, look around."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.errors import InvalidInput, NotFound
from ml_service.domain.predictions import Prediction, new_id
from ml_service.storage import predictions, telegram
from ml_service.storage.database import Session
from ml_service.storage.telegram import Chat
from ml_service.usecases import ledger, users

CODE_LIFETIME_S = 600.0  # SECURITY 11: at most 10 minutes
CODE_BYTES = 12  # 96 bits; SECURITY 11 asks for 64
CODES_PER_WINDOW_MAX = 10
TRIES_PER_WINDOW_MAX = 5
WINDOW_S = 300.0
OPEN_COUNT_MAX = 1_000_000


async def ensure_chat(session: Session, chat_id: int, language: str, *, starting_credits: int) -> Chat:
    """The chat of this id; at its first message it gets an account with the starting credits.

    What comes back to the chat's own account after it was joined with another one follows to that one.
    """
    chat = await telegram.get_chat(session, chat_id)
    if chat is None:
        await telegram.lock_chat(session, chat_id)
        if await telegram.get_chat(session, chat_id) is None:
            user_id = await _add_account(session, chat_id)
            await telegram.add_chat(session, chat_id, user_id, language)
            if starting_credits:
                await ledger.grant(session, user_id, starting_credits)
        chat = await telegram.get_chat(session, chat_id)
        assert chat is not None  # noqa: S101  it was just added, or found under the lock
    if chat.is_linked and chat.own_balance > 0:
        await ledger.transfer_all(session, chat.own_user_id, chat.user_id, _reason(chat_id))
    if chat.is_silent:
        await telegram.set_open(session, chat_id)
    return chat


async def _add_account(session: Session, chat_id: int) -> UUID:
    name = f"telegram_{chat_id}"
    while True:
        user_id = new_id()
        if await telegram.add_account(session, user_id, name):
            return user_id
        name = f"telegram_{chat_id}_{secrets.token_hex(4)}"  # somebody registered that name by the API


@dataclass(frozen=True, slots=True)
class LinkCode:
    """A one-time code, shown once; only its hash is kept."""

    code: str
    lifetime_s: float


async def issue_code(session: Session, user_id: UUID) -> LinkCode:
    """Make a code that joins one chat with this account.

    Raises:
        TooManyRequests: The user made many of them just now.
    """
    await users.check_rate(session, f"telegram_code:{user_id}", hits_max=CODES_PER_WINDOW_MAX, window_s=WINDOW_S)
    code = secrets.token_urlsafe(CODE_BYTES)
    await telegram.add_code(session, _hash(code), user_id, CODE_LIFETIME_S)
    return LinkCode(code, CODE_LIFETIME_S)


async def bot_username(session: Session) -> str | None:
    """The name of the bot that ran last, for deep links."""
    return await telegram.bot_username(session)


async def check_link_rate(session: Session, chat_id: int) -> None:
    """Count one try of a code. Commit it by itself: a wrong code must not take its count back.

    Raises:
        TooManyRequests: This chat has tried many codes.
    """
    await users.check_rate(session, f"telegram_link:{chat_id}", hits_max=TRIES_PER_WINDOW_MAX, window_s=WINDOW_S)


async def look_at_code(session: Session, code: str) -> tuple[str, bytes]:
    """Whose account a code would join, before anybody agrees to it.

    Returns:
        The account's name, and what names the code for `link`.

    Raises:
        InvalidInput: The code is wrong, used or too old.
    """
    code_hash = _hash(code)
    username = await telegram.code_owner(session, code_hash)
    if username is None:
        raise InvalidInput("This code is wrong, was used, or is too old.")
    return username, code_hash


async def link(session: Session, chat: Chat, code_hash: bytes) -> tuple[Chat, int]:
    """Join a chat with the account whose owner made the code; its own balance follows in the same commit.

    Args:
        code_hash: From `look_at_code`.

    Returns:
        The chat as it is now, and the credits that moved.

    Raises:
        InvalidInput: The code is wrong, used or too old.
    """
    user_id = await telegram.use_code(session, code_hash, chat.chat_id)
    if user_id is None:
        raise InvalidInput("This code is wrong, was used, or is too old.")
    await telegram.set_payer(session, chat.chat_id, user_id)
    moved = await ledger.transfer_all(session, chat.own_user_id, user_id, _reason(chat.chat_id))
    joined = await telegram.get_chat(session, chat.chat_id)
    assert joined is not None  # noqa: S101  chats are never deleted
    return joined, moved


async def unlink(session: Session, chat: Chat) -> None:
    """Let the chat pay from its own account again. What has moved stays where it is."""
    await telegram.set_payer(session, chat.chat_id, chat.own_user_id)


async def get(session: Session, chat: Chat, prediction_id: UUID) -> Prediction:
    """A prediction of one of the chat's accounts; raises NotFound for missing and for somebody else's alike."""
    found = (await predictions.get_many(session, [prediction_id])).get(prediction_id)
    if found is None or found.user_id not in chat.user_ids:
        raise NotFound("There is no such prediction.")
    return found


async def history_page(
    session: Session, chat: Chat, statuses: Sequence[str] | None, *, page: int, size: int
) -> tuple[list[Prediction], bool]:
    """A page (0 is the newest) of what the chat's accounts have asked, and whether there are more."""
    found = await telegram.history_page(session, chat.user_ids, statuses, offset=page * size, limit=size + 1)
    return found[:size], len(found) > size


async def wait_s(session: Session, model: str, *, workers: int, batch_size: int) -> int:
    """Whole seconds until an answer that is asked for now, as the last answers and the queue let expect."""
    pace = await telegram.pace(session, model, OPEN_COUNT_MAX)
    ahead_s = pace.open * (pace.predict_s or 0.01) / batch_size / max(workers, 1)
    # The last answers' own time already holds the queue as it was; a longer queue than then tells more.
    return max(1, math.ceil(max(pace.total_s or 1.0, ahead_s)))


async def recent_failures(session: Session, *, seconds: float, limit: int) -> list[tuple[str, int]]:
    """Error codes of what was asked in the last ``seconds`` and failed, with their counts."""
    since_ms = int((time.time() - seconds) * 1000)
    return await telegram.failures(session, UUID(int=since_ms << 80), limit)


def _reason(chat_id: int) -> str:
    return f"joined with Telegram chat {chat_id}"


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
