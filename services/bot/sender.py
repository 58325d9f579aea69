"""Speaks to Telegram: in turn, patiently, and with one meaning for each of the many ways in which it may fail.

What aiogram raises (measured): 429 with ``retry_after`` is TelegramRetryAfter, without it TelegramAPIError; 403 is
TelegramForbiddenError; a gateway's HTML is ClientDecodeError, which is no TelegramAPIError; a 5xx without description
is TypeError; a cut or refused connection is TelegramNetworkError.
"""

from __future__ import annotations

import asyncio
import re
from html import unescape
from typing import TypeVar

import structlog
from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNotFound,
    TelegramRetryAfter,
)
from aiogram.methods import (
    AnswerCallbackQuery,
    EditMessageReplyMarkup,
    EditMessageText,
    SendDocument,
    SendMessage,
    TelegramMethod,
)
from aiogram.types import BufferedInputFile, InlineKeyboardMarkup, ReplyParameters

from services.bot.pace import Pace
from services.bot.phrases import Html
from services.bot.views.view import View

log = structlog.get_logger()

REQUEST_TIMEOUT_S = 10
PATIENCE_S = 20.0
BACKOFF_S = (0.3, 1.0, 2.0, 4.0, 8.0)
GONE = ("chat not found", "user is deactivated", "bot was blocked", "bot can't initiate", "peer_id_invalid")
T = TypeVar("T")


class Later(Exception):
    """Telegram, or the way to it, is away or asks to wait: try again after ``seconds``."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class ChatGone(Exception):
    """The person has blocked the bot or does not exist any more: this chat cannot be written to."""


class Refused(Exception):
    """Telegram says that the request itself is wrong: it would be refused again."""


def away(error: BaseException) -> bool:
    """Whether the error says that Telegram, or the way to it, is away for the moment."""
    return isinstance(error, AiogramError | TypeError | OSError | TimeoutError)


class Sender:
    """The bot's voice. One for each process."""

    def __init__(self, bot: Bot, pace: Pace) -> None:
        self.bot = bot
        self._pace = pace

    async def send(
        self, chat_id: int, view: View, *, reply_to: int | None = None, patience_s: float = PATIENCE_S
    ) -> int:
        """Send a message; returns its id. Where the answer was lost on the way, it may have arrived, and comes again.

        Raises:
            Later, ChatGone, Refused: It was not sent, as far as one can know.
        """
        reply = _reply(reply_to)
        method = SendMessage(chat_id=chat_id, text=view.text, reply_markup=view.keyboard, reply_parameters=reply)
        try:
            message = await self.call(chat_id, method, patience_s)
        except Refused as error:
            if "parse entities" not in str(error):
                raise
            log.error("markup_refused", chat_id=chat_id, error=str(error))  # noqa: TRY400  a bug of ours; say it plainly
            plain = SendMessage(chat_id=chat_id, text=_plain(view.text), reply_markup=view.keyboard, parse_mode=None)
            message = await self.call(chat_id, plain, patience_s)
        return message.message_id

    async def edit(self, chat_id: int, message_id: int, view: View, *, patience_s: float = PATIENCE_S) -> bool:
        """Turn a message into another; doing so twice is harmless. False where the message cannot be edited any more.

        Raises:
            Later, ChatGone: As `send`.
        """
        method = EditMessageText(chat_id=chat_id, message_id=message_id, text=view.text, reply_markup=view.keyboard)
        try:
            await self.call(chat_id, method, patience_s)
        except Refused as error:
            return "not modified" in str(error).lower()
        return True

    async def edit_buttons(self, chat_id: int, message_id: int, buttons: InlineKeyboardMarkup | None) -> None:
        """Change the buttons under a message; not worth a second try."""
        method = EditMessageReplyMarkup(chat_id=chat_id, message_id=message_id, reply_markup=buttons)
        try:
            await self.call(chat_id, method, 0)
        except (Refused, Later):
            return

    async def send_file(
        self, chat_id: int, name: str, content: bytes, *, reply_to: int | None, patience_s: float
    ) -> int:
        """Send a file; returns the message's id. Raises as `send`."""
        reply = _reply(reply_to)
        method = SendDocument(
            chat_id=chat_id, document=BufferedInputFile(content, filename=name), reply_parameters=reply
        )
        return (await self.call(chat_id, method, patience_s)).message_id

    async def answer_tap(self, query_id: str, text: str | None = None) -> None:
        """Stop the little clock on a tapped button. Telegram forgets taps within minutes, so failing is no harm."""
        method = AnswerCallbackQuery(callback_query_id=query_id, text=text[:200] if text else None)
        try:
            await self.bot(method, request_timeout=REQUEST_TIMEOUT_S)
        except Exception as error:
            if not away(error):
                raise
            log.debug("tap_not_answered", error=repr(error))

    async def call(self, chat_id: int, method: TelegramMethod[T], patience_s: float) -> T:
        """Call a method that writes to a chat, again and again for ``patience_s`` seconds if it must be."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        tries = 0
        while True:
            if loop.time() + (closed_s := self._pace.closed_s(chat_id)) > until and closed_s > 0:
                raise Later(closed_s, "Telegram asked to wait")
            try:
                async with self._pace.turn(chat_id):
                    return await self.bot(method, request_timeout=REQUEST_TIMEOUT_S)
            except Exception as error:
                wait_s = self._wait_s(chat_id, error, tries)
                tries += 1
                if loop.time() + wait_s > until:
                    raise Later(wait_s, repr(error)) from error
                if not isinstance(error, TelegramRetryAfter):  # the pace keeps that one's time
                    await asyncio.sleep(wait_s)

    def _wait_s(self, chat_id: int, error: Exception, tries: int) -> float:
        match error:
            case TelegramRetryAfter():
                log.warning("telegram_asks_to_wait", chat_id=chat_id, retry_after_s=error.retry_after)
                self._pace.refused(chat_id, error.retry_after)
                return float(error.retry_after)
            case TelegramForbiddenError():
                raise ChatGone(error.message) from error
            case TelegramBadRequest() | TelegramNotFound():
                if any(words in error.message.lower() for words in GONE):
                    raise ChatGone(error.message) from error
                raise Refused(error.message) from error
            case _ if away(error):
                log.warning("telegram_away", chat_id=chat_id, error=what_failed(error))
                return BACKOFF_S[min(tries, len(BACKOFF_S) - 1)]
            case _:
                raise error


def _reply(message_id: int | None) -> ReplyParameters | None:
    if message_id is None:
        return None
    return ReplyParameters(message_id=message_id, allow_sending_without_reply=True, quote_parse_mode=None)


def what_failed(error: BaseException) -> str:
    """An error for the log, without the token, which is part of every address."""
    return re.sub(r"bot\d+:[\w-]+", "bot…", repr(error))[:300]


def _plain(text: Html) -> str:
    return unescape(re.sub(r"<[^>]*>", "", text))
