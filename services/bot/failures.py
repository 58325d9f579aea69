"""What each way to fail means: later, never, or not in this chat.

What aiogram raises (measured): 429 with ``retry_after`` is TelegramRetryAfter, without it TelegramAPIError; 403 is
TelegramForbiddenError; 413 is a TelegramNetworkError; a gateway's HTML is ClientDecodeError, which is no
TelegramAPIError; a 5xx without description is TypeError; a cut or refused connection is TelegramNetworkError. So the
HTTP status decides, and `TelegramHttp` keeps it.
"""

from __future__ import annotations

import re
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import AiogramError, ClientDecodeError, TelegramMigrateToChat, TelegramRetryAfter
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Message
from aiohttp import ClientError, ClientResponseError

RETRY_AFTER_S_MAX = 86_400.0
FORBIDDEN = 403
# The request itself is wrong, and would be refused again. Everything else may pass: 401, 404 and 409 (the token,
# another poller), 408, 420, 425 and 429 (too slow, too often), 5xx, and whatever has no status at all.
PERMANENT = frozenset({400, 402, 405, 406, 410, 411, 412, 413, 414, 415, 416, 422, 431, 451})
TOO_LARGE = frozenset({413, 414, 431})
"""What a gateway on the way refuses of a request, as Telegram itself would."""
NO_FILE = PERMANENT | {FORBIDDEN, 404}
"""At a file's own address."""
GONE = ("chat not found", "user is deactivated", "bot was blocked", "bot can't initiate", "peer_id_invalid")


class Later(Exception):
    """Telegram, or the way to it, is away or asks to wait: try again after ``seconds``."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class ChatGone(Exception):
    """The person has blocked the bot or does not exist any more: this chat cannot be written to."""

    def __init__(self, why: str, moved_to: int | None = None) -> None:
        super().__init__(why)
        self.moved_to = moved_to
        """The chat's new id, where a group has become a supergroup."""


class Refused(Exception):
    """Telegram says that the request itself is wrong: it would be refused again."""


class TelegramHttp(AiohttpSession):
    """aiogram's session; its errors keep the HTTP status, and a success is never taken for a failure."""

    def check_response(
        self, bot: Bot, method: TelegramMethod[TelegramType], status_code: int, content: str
    ) -> Response[TelegramType]:
        """Read an answer; raises aiogram's errors."""
        try:
            return super().check_response(bot, method, status_code, content)
        except Exception as error:
            done = _done(error)
            if done is not None:
                return Response[Any].model_construct(ok=True, result=done)
            error.telegram_status = status_code  # type: ignore[attr-defined]  # read by status_of
            raise


def _done(error: Exception) -> Any:
    """What is needed of an answer that says "done" but that aiogram cannot read; None where it does not say so."""
    data = error.data if isinstance(error, ClientDecodeError) else None
    if not isinstance(data, dict) or data.get("ok") is not True:
        return None
    result = data.get("result")
    if isinstance(result, dict) and isinstance(result.get("message_id"), int):
        return Message.model_construct(message_id=result["message_id"])
    return None


def status_of(error: BaseException) -> int | None:
    """The HTTP status of an error; None where there was no answer."""
    if isinstance(error, ClientResponseError):
        return error.status
    status = getattr(error, "telegram_status", None)
    return status if isinstance(status, int) else None


def meaning_of(error: Exception, wait_s: float) -> Later | ChatGone | Refused | None:
    """What an error of a call means; None: it is a bug of ours.

    Args:
        wait_s: When to try again where Telegram does not say it.
    """
    status, why = status_of(error), what_failed(error)
    if isinstance(error, TelegramRetryAfter):
        return Later(min(max(float(error.retry_after), 0.0), RETRY_AFTER_S_MAX), why)
    if isinstance(error, ClientDecodeError | ClientResponseError):
        # Not the Bot API's words but those of a gateway, a proxy's sign-in, or a file's address: they say nothing of
        # the chat.
        final = TOO_LARGE if isinstance(error, ClientDecodeError) else NO_FILE
        return Refused(why) if status in final else Later(wait_s, why)
    if isinstance(error, TelegramMigrateToChat) or status == FORBIDDEN:
        return ChatGone(why, getattr(error, "migrate_to_chat_id", None))
    if status in PERMANENT:
        return ChatGone(why) if any(words in why.lower() for words in GONE) else Refused(why)
    if status is not None or is_away(error):
        return Later(wait_s, why)
    return None


def is_away(error: BaseException) -> bool:
    """Whether the error says that Telegram, or the way to it, is away for the moment."""
    return status_of(error) is not None or isinstance(error, AiogramError | ClientError | OSError | TimeoutError)


def what_failed(error: BaseException) -> str:
    """An error for the log, without the token, which is part of every address."""
    return re.sub(r"bot\d+:[\w-]+", "bot…", repr(error))[:300]
