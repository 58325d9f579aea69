"""API keys at the door: looked up by the hash of their token, for all requests of one moment in one statement.

A submission needs only to know whose the key is, which never changes, and whether it is simple: that is remembered, and
the submit statement checks all else. So it costs no round trip more than one by a sign-in, which is verified by its
signature. Only keys with a rate limit cost a statement more, which counts the hits of one moment together.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from ml_service.domain.credentials import Principal, Scope, hash_of, is_key_token
from ml_service.domain.errors import DatabaseUnavailable, ServiceError, TooManyRequests
from ml_service.domain.rate_limits import Note, RateLimit
from ml_service.platform.micro_batch import MicroBatch
from ml_service.storage import api_keys
from ml_service.storage.api_keys import KeyUser
from ml_service.storage.database import Database
from ml_service.usecases.api_keys import scope_missing
from ml_service.usecases.users import blocked, unauthenticated
from services.app.auth.callers import Caller

KNOWN_MAX = 10_000
"""Keys that are remembered: some 10 MB at the most."""
FRESH_S = 60.0
"""How often a key that submits is looked up aside: a rate limit that was set meanwhile counts from then on."""
MINUTE_S = 60.0
USE_NOTED_S = 60.0
"""How often the last use of a key is written."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    rate_limit: int | None
    looked_at: float


class ApiKeys:
    """Checks API keys. One for each process.

    Args:
        refused: Told the code of each refusal.
    """

    def __init__(self, database: Database, refused: Callable[[str], None]) -> None:
        self._database = database
        self._refused = refused
        self._known: dict[bytes, _Known] = {}
        self._noted: dict[UUID, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        timeout_s = database.timeout_s
        self._found: MicroBatch[bytes, KeyUser | None] = MicroBatch(
            self._look_up, calls_max=500, rounds_max=1, timeout_s=timeout_s
        )
        self._hits: MicroBatch[UUID, tuple[int, float]] = MicroBatch(
            self._count, calls_max=500, rounds_max=1, timeout_s=timeout_s
        )
        self._uses: MicroBatch[UUID, None] = MicroBatch(self._note, calls_max=500, rounds_max=1, timeout_s=timeout_s)

    async def principal(self, token: str, note: Note) -> Principal:
        """Whose key it is. Whether it is still valid, and may predict, the submit statement looks up.

        Args:
            note: Told how much of the rate limit is used up.

        Raises:
            Unauthenticated: It is no key.
            TooManyRequests: Its rate limit is reached.
            DatabaseUnavailable: It cannot be looked up.
        """
        token_hash = _hash(token)
        known = self._known.get(token_hash)
        if known is None:
            known = await self._remember(token_hash)
        elif time.monotonic() - known.looked_at > FRESH_S:
            self._known[token_hash] = _Known(known.principal, known.rate_limit, time.monotonic())
            self._aside(self._remember(token_hash))
        await self._admit(known, note)
        assert known.principal.key_id is not None  # noqa: S101  of a key
        self._use(known.principal.key_id)
        return known.principal

    async def check(self, token: str, scope: Scope | None, note: Note | None) -> Caller:
        """Who asks, by a key that is valid and has this scope; None: for what no key may do.

        Args:
            note: Told how much of the rate limit is used up; None: it has been counted already.

        Raises:
            Unauthenticated: It is no key, or revoked, or expired: one answer to all.
            Blocked, ScopeMissing, TooManyRequests: It is valid, and this is not allowed.
            DatabaseUnavailable: It cannot be looked up.
        """
        token_hash = _hash(token)
        found = await _in_time(self._found(token_hash))
        known = self._learn(token_hash, found)
        assert found is not None  # noqa: S101  else it is not learned
        if found.is_blocked:
            raise blocked()
        if note is not None:
            await self._admit(known, note)
        self._use(found.key.id)
        if scope not in found.key.scopes:
            raise self._refusal(scope_missing(scope))
        return Caller(found.user, known.principal, key=found.key, scope=scope)

    async def is_active(self, caller: Caller) -> bool:
        """Whether a key that was checked is still valid, and for the same; raises DatabaseUnavailable."""
        assert caller.principal.token_hash is not None  # noqa: S101  of a key
        found = await _in_time(self._found(caller.principal.token_hash))
        return found is not None and not found.is_blocked and caller.scope in found.key.scopes

    async def _remember(self, token_hash: bytes) -> _Known:
        return self._learn(token_hash, await _in_time(self._found(token_hash)))

    def _learn(self, token_hash: bytes, found: KeyUser | None) -> _Known:
        if found is None:
            self._known.pop(token_hash, None)
            raise unauthenticated()
        principal = Principal(
            found.user.id, key_id=found.key.id, token_hash=token_hash, has_simple_key=found.key.is_simple
        )
        known = _Known(principal, found.key.rate_limit_per_minute, time.monotonic())
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[token_hash] = known
        return known

    async def _admit(self, known: _Known, note: Note) -> None:
        if known.rate_limit is None:
            return
        assert known.principal.key_id is not None  # noqa: S101  of a key
        hits, seconds_left = await _in_time(self._hits(known.principal.key_id))
        limit = RateLimit("api-key", known.rate_limit, MINUTE_S, hits, seconds_left)
        note(limit)
        if limit.is_exceeded:
            message = f"This API key is for at most {known.rate_limit} requests a minute."
            raise self._refusal(TooManyRequests(message, retry_after_s=seconds_left))

    def _refusal(self, error: ServiceError) -> ServiceError:
        self._refused(error.code)
        return error

    def _use(self, key_id: UUID) -> None:
        now = time.monotonic()
        if now - self._noted.get(key_id, -USE_NOTED_S) < USE_NOTED_S:
            return
        if len(self._noted) >= KNOWN_MAX:
            self._noted.clear()
        self._noted[key_id] = now
        self._aside(self._uses(key_id))

    def _aside(self, work: Coroutine[Any, Any, object]) -> None:
        """Do it without anybody waiting; it is done again by a later request where it fails."""

        async def do() -> None:
            with suppress(ServiceError, TimeoutError):
                await work

        task = asyncio.create_task(do())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_up(self, token_hashes: Sequence[bytes]) -> list[KeyUser | Exception | None]:
        async with self._database.autocommit() as session:
            found = await api_keys.of_tokens(session, list(set(token_hashes)))
        return [found.get(token_hash) for token_hash in token_hashes]

    async def _count(self, key_ids: Sequence[UUID]) -> list[tuple[int, float] | Exception]:
        counts = Counter(key_ids)
        async with self._database.autocommit() as session:
            found = await api_keys.count_hits(session, list(counts.items()), MINUTE_S)
        answers: list[tuple[int, float] | Exception] = []
        for key_id in key_ids:  # each of one moment has its own place
            hits, seconds_left = found[key_id]
            counts[key_id] -= 1
            answers.append((hits - counts[key_id], seconds_left))
        return answers

    async def _note(self, key_ids: Sequence[UUID]) -> list[Exception | None]:
        async with self._database.autocommit() as session:
            await api_keys.note_use(session, list(key_ids), USE_NOTED_S)
        return [None] * len(key_ids)


def _hash(token: str) -> bytes:
    if not is_key_token(token):
        raise unauthenticated()
    return hash_of(token)


async def _in_time(looking: Awaitable[Answer]) -> Answer:
    try:
        return await looking
    except TimeoutError as error:
        raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error
