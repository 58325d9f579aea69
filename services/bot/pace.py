"""How fast the bot may write: over all chats, and to each one; Telegram's limits, kept before it has to say so.

Telegram asks for no more than about 30 messages a second over all, and one a second in a chat with short bursts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ALL_BURST = 4
CHAT_INTERVAL_S = 1.0
CHAT_BURST = 3
FLOODED_CHATS = 3
"""So many chats refused at the same time mean that the limit over all is reached."""


class Bucket:
    """The generic cell rate algorithm: ``burst`` at once, then one each ``interval_s``."""

    __slots__ = ("_burst", "_free_at", "_interval_s")

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._free_at = 0.0

    def take(self, now: float) -> float:
        """Take one; returns the seconds to wait before it may be used."""
        self._free_at = max(self._free_at, now) + self._interval_s
        return max(0.0, self._free_at - now - self._interval_s * self._burst)

    def is_idle(self, now: float) -> bool:
        """Whether it has filled up again."""
        return self._free_at <= now


@dataclass
class _Chat:
    bucket: Bucket = field(default_factory=lambda: Bucket(CHAT_INTERVAL_S, CHAT_BURST))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    closed_until: float = 0.0


class Pace:
    """Gives turns to write: one after the other in a chat, in the order in which they were asked for."""

    def __init__(self, messages_per_s: float) -> None:
        self._all = Bucket(1 / messages_per_s, ALL_BURST)
        self._chats: dict[int, _Chat] = {}
        self._closed_until = 0.0

    @asynccontextmanager
    async def turn(self, chat_id: int) -> AsyncIterator[None]:
        """Wait for this chat's turn; nobody else writes to it within the block."""
        chat = self._chat(chat_id)
        async with chat.lock:
            loop = asyncio.get_running_loop()
            if (wait_s := chat.bucket.take(loop.time())) > 0:
                await asyncio.sleep(wait_s)
            while (wait_s := self.closed_s(chat_id)) > 0:  # noqa: ASYNC110  until a time that may be put off meanwhile
                await asyncio.sleep(wait_s)
            if (wait_s := self._all.take(loop.time())) > 0:
                await asyncio.sleep(wait_s)
            yield

    def closed_s(self, chat_id: int) -> float:
        """Seconds until this chat may be written to again, as Telegram said; 0 if it may."""
        chat = self._chats.get(chat_id)
        until = max(self._closed_until, chat.closed_until if chat else 0.0)
        return max(0.0, until - asyncio.get_running_loop().time())

    def refused(self, chat_id: int, retry_after_s: float) -> None:
        """Telegram said "too many requests": leave this chat alone, and all if it says so of several at once."""
        now = asyncio.get_running_loop().time()
        self._chat(chat_id).closed_until = now + retry_after_s
        closed = sum(chat.closed_until > now for chat in self._chats.values())
        if closed >= FLOODED_CHATS:
            self._closed_until = now + retry_after_s

    def _chat(self, chat_id: int) -> _Chat:
        chat = self._chats.get(chat_id)
        if chat is None:
            if len(self._chats) > 10_000:  # noqa: PLR2004  a bound for memory: forget who is quiet
                self._forget_quiet()
            chat = self._chats[chat_id] = _Chat()
        return chat

    def _forget_quiet(self) -> None:
        now = asyncio.get_running_loop().time()
        for chat_id, chat in list(self._chats.items()):
            if not chat.lock.locked() and chat.bucket.is_idle(now) and chat.closed_until <= now:
                del self._chats[chat_id]
