"""Live changes: followers of all of a user's predictions get changes as soon as they are committed.

The queue makes it fast, the table makes it sure. Results that come by the queue name users, and so does this process
for what it accepts and cancels itself. One statement looks for changes of all followed users at once, ten times a
second where that costs next to nothing and once a second otherwise; it finds what other processes did, and whatever
the queue has lost. A follower that is told to look reads from its own position (`storage/changes.py`), when it has
sent what it read before: nothing is kept for slow readers, who get the latest state once they have caught up.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from uuid import UUID

import structlog

from ml_service.domain.credentials import Principal
from ml_service.domain.errors import DatabaseUnavailable
from ml_service.platform.micro_batch import MicroBatch
from ml_service.storage import api_keys, changes, sessions
from ml_service.storage.changes import MOVEMENTS_UNDER_WAY_MAX, Changes, Look, Open, Position
from ml_service.storage.database import Database

log = structlog.get_logger()

LOOK_S_MIN = 0.08
LOOK_S_MAX = 1.0
REST = 20
"""After a look that took t seconds, rest REST × t, between the two bounds: at most 5 % of a connection's time."""
SESSIONS_S = 1.0
"""How often it is looked whether the sign-ins and keys of followers go on."""
READ_TOGETHER = 32
"""Positions that one statement reads from; the size of a reading bounds the memory (`changes.BYTES_MAX`)."""
HISTORY = 600
NOTHING_SEEN = "1:1:"


class Follower:
    """One stream's view of one user."""

    def __init__(self, principal: Principal) -> None:
        self.user_id = principal.user_id
        self.principal = principal
        self.is_ended = False
        self._news = asyncio.Event()
        self._news.set()  # something may have happened before it began to follow

    async def wait(self, timeout_s: float) -> bool:
        """Whether there may be something to read within ``timeout_s``; also returns when the follower has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        is_told = self._news.is_set()
        self._news.clear()
        return is_told and not self.is_ended

    def tell(self) -> None:
        """There may be something to read."""
        self._news.set()

    def end(self) -> None:
        """Stop following."""
        self.is_ended = True
        self._news.set()


class LiveChanges:
    """Tells followers when to read, and reads for them. One for each process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: defaultdict[UUID, set[Follower]] = defaultdict(set)
        self._read = MicroBatch(self._read_together, calls_max=READ_TOGETHER, timeout_s=database.timeout_s * 2)
        self._looks: deque[tuple[int, int]] = deque(maxlen=HISTORY)  # their snapshots' ends, and the last movements
        self._first = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Begin to look; does not wait."""
        self._task = asyncio.create_task(self._look_again())

    def release(self) -> None:
        """Let all followers go: the process is about to stop."""
        self._is_stopping = True
        for follower in self._all():
            follower.end()

    async def close(self) -> None:
        """Look no more."""
        self.release()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def follow(self, follower: Follower) -> Iterator[None]:
        """Tell a follower of its user's changes, as long as the session goes on."""
        user_id = follower.user_id
        if self._is_stopping:
            follower.end()
        self._followers[user_id].add(follower)
        self._first.set()
        try:
            yield
        finally:
            self._followers[user_id].discard(follower)
            if not self._followers[user_id]:
                del self._followers[user_id]

    def tell(self, user_ids: Iterable[UUID]) -> None:
        """Something has happened to these users' predictions."""
        for user_id in user_ids:
            for follower in self._followers.get(user_id, ()):
                follower.tell()

    async def begin(self, user_id: UUID) -> tuple[Open, Position] | None:
        """What a user has open, and the position from which to read on; None for a user who is gone.

        Raises:
            DatabaseUnavailable: The database does not answer.
        """
        async with self._database.autocommit() as session:
            found = await changes.open_now(session, user_id)
        if found is None:
            return None
        return found, Position(found.snapshot, self._low(found.snapshot, found.low), found.balance, found.held)

    async def can_resume(self, user_id: UUID, position: Position) -> bool:
        """Whether a client's position is of use; raises DatabaseUnavailable."""
        async with self._database.autocommit() as session:
            return await changes.can_resume(session, user_id, position)

    async def read(self, user_id: UUID, position: Position) -> tuple[Changes, Position, bool] | None:
        """The changes since a position, the position after them, and whether there is more to read at once.

        Returns:
            None where the stream must end: the user is gone, or the position is of another server, whose place this
            one has taken with less than that one had.

        Raises:
            DatabaseUnavailable: The database does not answer.
        """
        try:
            found = await self._read((user_id, position))
        except TimeoutError as error:
            raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error
        if found is None or position.is_ahead_of(found.snapshot):
            return None
        until = position.until or found.snapshot
        if found.is_cut:
            return found, replace(position, until=until, after=found.predictions[-1].id), True
        following = Position(until, self._low(until, position.low), found.balance, found.held)
        return found, following, bool(position.until)

    def _low(self, snapshot: str, otherwise: int) -> int:
        """A number up to which ``snapshot`` has seen all movements of credits.

        A transaction that a look's snapshot had not seen begin takes its numbers after that look, and so after the last
        number that the look before it found. ``otherwise`` is such a number, too.
        """
        xmin = int(snapshot.partition(":")[0])
        last_before = otherwise
        found = otherwise
        for xmax, last_id in self._looks:
            if xmax > xmin:
                break
            found, last_before = max(otherwise, last_before), last_id
        return found

    async def _read_together(self, asked: Sequence[tuple[UUID, Position]]) -> list[Changes | Exception | None]:
        different = list(dict.fromkeys(asked))  # a user's tabs are at the same position mostly
        async with self._database.autocommit() as session:
            found = dict(zip(different, await changes.changes(session, different), strict=True))
        return [found[one] for one in asked]

    def _all(self) -> list[Follower]:
        return [follower for followers in self._followers.values() for follower in followers]

    async def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        last = Look([], NOTHING_SEEN, 0)
        known: set[UUID] = set()
        sessions_at = 0.0
        while True:
            if not self._followers:
                self._first.clear()
                await self._first.wait()
                known.clear()
            started = loop.time()
            users = set(self._followers)
            try:
                # A user who was not looked for the last time may have changed before this look's snapshot.
                self.tell(users - known)
                last = await self._look(users & known, last)
                known = users
                if loop.time() - sessions_at >= SESSIONS_S:
                    await self._check_principals()
                    sessions_at = loop.time()
            except Exception as error:
                known = set()  # all read from their own positions once it is back
                if isinstance(error, DatabaseUnavailable):
                    log.debug("live_changes_unknown", error=error.message)
                else:
                    log.exception("live_changes_failed")
            await asyncio.sleep(min(LOOK_S_MAX, max(LOOK_S_MIN, REST * (loop.time() - started))))

    async def _look(self, users: Iterable[UUID], last: Look) -> Look:
        low = self._low(last.snapshot, max(0, last.last_id - MOVEMENTS_UNDER_WAY_MAX))
        async with self._database.autocommit() as session:
            found = await changes.look(session, list(users), last.snapshot, low)
        self.tell(found.changed)
        self._looks.append((int(found.snapshot.split(":")[1]), found.last_id))
        return found

    async def _check_principals(self) -> None:
        followers = self._all()
        session_ids = {one.principal.session_id for one in followers if one.principal.session_id is not None}
        tokens = {one.principal.token_hash for one in followers if one.principal.token_hash is not None}
        valid: set[UUID | bytes | None] = set()
        async with self._database.autocommit() as session:
            if session_ids:
                valid |= await sessions.valid_among(session, list(session_ids))
            if tokens:
                valid |= await api_keys.valid_among(session, list(tokens))
        for follower in followers:
            if (follower.principal.token_hash or follower.principal.session_id) not in valid:
                follower.end()
