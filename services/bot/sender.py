"""Speaks to Telegram: in turn, patiently, and with one meaning for each of the many ways in which it may fail."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from html import unescape
from typing import Any, BinaryIO, TypeVar

import structlog
from aiogram import Bot
from aiogram.exceptions import TelegramRetryAfter
from aiogram.methods import (
    AnswerCallbackQuery,
    EditMessageReplyMarkup,
    EditMessageText,
    SendDocument,
    SendMessage,
    TelegramMethod,
)
from aiogram.types import BufferedInputFile, InlineKeyboardMarkup, InputFile, ReplyParameters

from services.bot.failures import ChatGone, Later, Refused, is_away, meaning_of, what_failed
from services.bot.metrics import BotMetrics
from services.bot.phrases import Html
from services.bot.views.view import View
from services.bot.write_limits import ChatClosed, Pace

log = structlog.get_logger()

REQUEST_TIMEOUT_S = 10
UPLOAD_BYTES_PER_S_MIN = 500_000
"""A file that is sent more slowly fails."""
PIECE_BYTES = 262_144
PATIENCE_S = 20.0
CHAT_WAIT_S_MAX = 3.0
"""A chat that Telegram closes for longer is left, and its work put off: others need the place."""
BACKOFF_S = (0.3, 1.0, 2.0, 4.0, 8.0)
T = TypeVar("T")
Around = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Makes the call within something of its own, such as a lock and a mark; begins when the chat's turn has come."""


class OpenFile(InputFile):
    """An open file, read piece by piece while it is sent, from its beginning each time."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(filename=name)
        self._file = file

    async def read(self, bot: Bot) -> AsyncGenerator[bytes, None]:  # noqa: ARG002  aiogram's interface
        """The content."""
        place = 0
        while piece := await asyncio.to_thread(os.pread, self._file.fileno(), PIECE_BYTES, place):
            place += len(piece)
            yield piece


def upload_s_max(content: bytes | BinaryIO) -> float:
    """How long sending a file may take on top of what any request may."""
    size = len(content) if isinstance(content, bytes) else os.fstat(content.fileno()).st_size
    return size / UPLOAD_BYTES_PER_S_MIN


class Sender:
    """The bot's voice. One for each process."""

    def __init__(self, bot: Bot, pace: Pace, metrics: BotMetrics) -> None:
        self.bot = bot
        self.username = ""
        """The bot's name in Telegram, once that has told it."""
        self._metrics = metrics
        self._pace = pace

    async def send(
        self,
        chat_id: int,
        view: View,
        *,
        reply_to: int | None = None,
        thread_id: int | None = None,
        patience_s: float = PATIENCE_S,
        around: Around | None = None,
    ) -> int:
        """Send a message; returns its id. Where the answer was lost on the way, it may have arrived, and comes again.

        Raises:
            Later, ChatGone, Refused: It was not sent, as far as one can know.
        """
        method = SendMessage(
            chat_id=chat_id,
            text=view.text,
            reply_markup=view.keyboard,
            reply_parameters=_reply(reply_to),
            message_thread_id=thread_id,
        )
        try:
            return await self._send(chat_id, method, patience_s, around)
        except Refused as error:
            if "parse entities" not in str(error):
                raise
            log.error("markup_refused", chat_id=chat_id, error=str(error))  # noqa: TRY400  a bug of ours; say it plainly
            method.text, method.parse_mode = _plain(view.text), None
            return await self._send(chat_id, method, patience_s, around)

    async def _send(
        self,
        chat_id: int,
        method: SendMessage | SendDocument,
        patience_s: float,
        around: Around | None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> int:
        """Send into the topic, or, where that was deleted, into the chat, or into the supergroup that it has become."""
        try:
            return (await self.call(chat_id, method, patience_s, around, timeout_s)).message_id
        except ChatGone as error:
            if error.moved_to is None:
                raise
            log.info("group_moved", chat_id=chat_id, moved_to=error.moved_to)
            method.chat_id, method.reply_parameters = error.moved_to, None  # its messages have new numbers
            return (await self.call(error.moved_to, method, patience_s, around, timeout_s)).message_id
        except Refused as error:
            if method.message_thread_id is None or "thread" not in str(error).lower():
                raise
            log.info("topic_gone", chat_id=chat_id, error=str(error))
            method.message_thread_id = None
            return (await self.call(chat_id, method, patience_s, around, timeout_s)).message_id

    async def edit(self, chat_id: int, message_id: int, view: View, *, patience_s: float = PATIENCE_S) -> bool:
        """Turn a message into this; returns whether the message is there. Doing it twice changes nothing.

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
        self,
        chat_id: int,
        name: str,
        content: bytes | BinaryIO,
        *,
        reply_to: int | None,
        thread_id: int | None,
        patience_s: float,
        around: Around | None = None,
    ) -> int:
        """Send a file; returns the message's id. Raises as `send`."""
        method = SendDocument(
            chat_id=chat_id,
            document=BufferedInputFile(content, name) if isinstance(content, bytes) else OpenFile(content, name),
            reply_parameters=_reply(reply_to),
            message_thread_id=thread_id,
        )
        timeout_s = REQUEST_TIMEOUT_S + upload_s_max(content)
        return await self._send(chat_id, method, patience_s, around, timeout_s)

    async def answer_tap(self, query_id: str, text: str | None = None) -> None:
        """Stop the little clock on a tapped button. Telegram forgets taps within minutes, so failing is no harm."""
        method = AnswerCallbackQuery(callback_query_id=query_id, text=text[:200] if text else None)
        try:
            await self.bot(method, request_timeout=REQUEST_TIMEOUT_S)
        except Exception as error:
            if not is_away(error):
                raise
            log.debug("tap_not_answered", error=what_failed(error))

    async def call(
        self,
        chat_id: int,
        method: TelegramMethod[T],
        patience_s: float,
        around: Around | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> T:
        """Call a method that writes to a chat, again and again for ``patience_s`` seconds if it must be.

        Raises:
            Later, ChatGone, Refused: As `meaning_of` says.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        tries = 0
        name = type(method).__name__

        async def do() -> T:
            return await self.bot(method, request_timeout=math.ceil(timeout_s))

        while True:
            try:
                async with self._pace.turn(chat_id):
                    result: T = await (around(do) if around else do())
                    self._metrics.called(name, "done")
                    return result
            except ChatClosed as error:
                later, wait_s_max = Later(error.seconds, str(error)), CHAT_WAIT_S_MAX
            except Exception as error:  # noqa: BLE001  `_later` raises what is not Telegram's
                later, wait_s_max = self._later(chat_id, name, error, tries)
                tries += 1
            if later.seconds > wait_s_max or loop.time() + later.seconds > until:
                raise later
            await asyncio.sleep(later.seconds)

    def _later(self, chat_id: int, method: str, error: Exception, tries: int) -> tuple[Later, float]:
        """When to try again, and how long that may be to wait for it here; raises what is final."""
        wait_s = BACKOFF_S[min(tries, len(BACKOFF_S) - 1)]
        meaning = meaning_of(error, wait_s)
        if meaning is None:
            raise error
        if not isinstance(meaning, Later):
            self._metrics.called(method, "refused" if isinstance(meaning, Refused) else "chat_gone")
            raise meaning from error
        self._metrics.called(method, "put_off")
        if isinstance(error, TelegramRetryAfter):
            log.warning("telegram_asks_to_wait", chat_id=chat_id, retry_after_s=meaning.seconds)
            self._pace.refused(chat_id, meaning.seconds)
            return meaning, CHAT_WAIT_S_MAX
        log.warning("telegram_away", chat_id=chat_id, error=str(meaning))
        return meaning, BACKOFF_S[-1]


def _reply(message_id: int | None) -> ReplyParameters | None:
    if message_id is None:
        return None
    return ReplyParameters(message_id=message_id, allow_sending_without_reply=True, quote_parse_mode=None)


def _plain(text: Html) -> str:
    return unescape(re.sub(r"<[^>]*>", "", text))
