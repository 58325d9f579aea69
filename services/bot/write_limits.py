"""How fast the bot may write: over all chats, and to each one; Telegram's limits, kept before it has to say so.

Telegram asks for no more than about 30 messages a second over all, and one a second in a chat with short bursts. A chat
that it refuses waits for itself only: what others lose by it is bounded.
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
"""So many chats refused at the same time mean that the limit over all is near."""
PAUSE_S = 0.5
"""What a refusal then costs everybody, however long it asks its own chat to wait."""
CHATS_KEPT_MAX = 10_000


class ChatClosed(Exception):
    """Telegram asked to leave this chat alone for ``seconds`` more."""

    def __init__(self, seconds: float) -> None:
        super().__init__("Telegram asked to wait")
        self.seconds = seconds


class Bucket:
    """The generic cell rate algorithm: ``burst`` at once, then one each ``interval_s``."""

    __slots__ = ("_burst", "_free_at", "_interval_s")

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._free_at = 0.0

    def wait_s(self, now: float) -> float:
        """The seconds until one may be taken."""
        return max(0.0, self._free_at - now - self._interval_s * (self._burst - 1))

    def take(self, now: float) -> None:
        """Take one, at the moment it is used."""
        self._free_at = max(self._free_at, now) + self._interval_s

    def pause(self, now: float, seconds: float) -> None:
        """Give nothing for ``seconds`` from now; pauses at the same moment do not add up."""
        self._free_at = max(self._free_at, now + seconds + self._interval_s * (self._burst - 1))

    def is_idle(self, now: float) -> bool:
        """Whether it has filled up again."""
        return self._free_at <= now


async def _take(bucket: Bucket) -> None:
    """Wait for one and take it. Only one task may wait at a time.

    It is taken when the wait is over, not planned before: planned ones would all go at once after a stall.
    """
    loop = asyncio.get_running_loop()
    while (wait_s := bucket.wait_s(loop.time())) > 0:  # noqa: ASYNC110 - a pause may have made it longer
        await asyncio.sleep(wait_s)
    bucket.take(loop.time())


@dataclass
class _Chat:
    bucket: Bucket = field(default_factory=lambda: Bucket(CHAT_INTERVAL_S, CHAT_BURST))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    closed_until: float = 0.0


class Pace:
    """Gives turns to write: one after the other in a chat, in the order in which they were asked for."""

    def __init__(self, messages_per_s: float) -> None:
        self._all = Bucket(1 / messages_per_s, ALL_BURST)
        self._all_lock = asyncio.Lock()
        self._chats: dict[int, _Chat] = {}

    @asynccontextmanager
    async def turn(self, chat_id: int) -> AsyncIterator[None]:
        """Wait for this chat's turn; nobody else writes to it within the block.

        Raises:
            ChatClosed: At once, so that nobody waits in here for long.
        """
        chat = self._chat(chat_id)
        async with chat.lock:
            self._check_open(chat_id)
            await _take(chat.bucket)
            async with self._all_lock:
                await _take(self._all)
            self._check_open(chat_id)
            yield

    def _check_open(self, chat_id: int) -> None:
        if (closed_s := self.closed_s(chat_id)) > 0:
            raise ChatClosed(closed_s)

    def closed_s(self, chat_id: int) -> float:
        """Seconds until this chat may be written to again, as Telegram said; 0 if it may."""
        chat = self._chats.get(chat_id)
        return max(0.0, chat.closed_until - asyncio.get_running_loop().time()) if chat else 0.0

    def refused(self, chat_id: int, retry_after_s: float) -> None:
        """Telegram said "too many requests": leave this chat alone; slow down for all if it says so of several."""
        now = asyncio.get_running_loop().time()
        self._chat(chat_id).closed_until = now + retry_after_s
        if sum(chat.closed_until > now for chat in self._chats.values()) >= FLOODED_CHATS:
            self._all.pause(now, min(retry_after_s, PAUSE_S))

    def _chat(self, chat_id: int) -> _Chat:
        chat = self._chats.get(chat_id)
        if chat is None:
            if len(self._chats) > CHATS_KEPT_MAX:
                self._forget_quiet()
            chat = self._chats[chat_id] = _Chat()
        return chat

    def _forget_quiet(self) -> None:
        now = asyncio.get_running_loop().time()
        for chat_id, chat in list(self._chats.items()):
            if not chat.lock.locked() and chat.bucket.is_idle(now) and chat.closed_until <= now:
                del self._chats[chat_id]
