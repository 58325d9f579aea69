"""Password hashes, made and checked in threads, with a bound on how many wait."""

from __future__ import annotations

import asyncio
import functools
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ml_service.domain.errors import Overloaded
from ml_service.domain.users import PASSWORD_LENGTH_MAX, password_of

WAITING_MAX = 64
"""Passwords that may wait for a core; about two seconds on one core."""
MEMORY_KIB = 19456
"""Of each hash: OWASP's minimum for two passes."""

Result = TypeVar("Result")


class Passwords:
    """Argon2id (RFC 9106) in threads, as many at once as there are cores: each takes 19 MiB and some 35 ms."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1)
        self._places = asyncio.Semaphore(os.cpu_count() or 1)
        self._waiting = 0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # An unknown name costs what a known one does: its password is checked against this.
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to store; raises Overloaded where too many wait."""
        return await self._in_thread(lambda: self._hasher.hash(password_of(password)))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hash's; takes as long where there is no hash. Raises Overloaded as `hash`."""
        password = password_of(password)
        if len(password) > PASSWORD_LENGTH_MAX:
            password = ""  # callers must not be able to make us hash a megabyte
        matches = await self._in_thread(lambda: self._verify(password_hash or self._nobody, password))
        return matches and password_hash is not None

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Serialise the sign-ins of one ``key``, so that correct passwords sent at once do not count as wrong ones."""
        lock = self._turns.setdefault(key, asyncio.Lock())
        async with lock:
            yield

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Too many passwords are being checked; try again in a few seconds.", retry_after_s=3.0)
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


@functools.cache
def common_passwords() -> frozenset[str]:
    """Some 30,000 of the most common passwords, in lower case, from the lists of zxcvbn. Takes half a second once."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  only for those who choose passwords

    return frozenset(FREQUENCY_LISTS["passwords"])
