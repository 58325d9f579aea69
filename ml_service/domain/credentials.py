"""Principals: who makes a request, and what authorizes it."""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

TOKEN_PREFIX = "mls_"  # noqa: S105  how every API key begins, so that scanners for leaked secrets find it
RANDOM_LENGTH = 32
"""Letters and digits: 190 random bits, of which the shown prefix gives 36 away."""
SHOWN_LENGTH = len(TOKEN_PREFIX) + 6
_ALPHABET = string.ascii_letters + string.digits


class Scope(StrEnum):
    """What an API key may be used for."""

    PREDICT = "predict"
    """Submit, repeat and cancel predictions."""
    READ = "read"
    """Read predictions, balance, transactions and usage."""
    BULK = "bulk"
    """Submit, read and cancel bulk jobs."""
    WEBHOOKS = "webhooks"
    """Manage webhooks."""


class CapPer(StrEnum):
    """The time in which a key may spend its cap, by the calendar of UTC."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class SpendCap:
    """Credits that a key may hold and pay in a window."""

    credits: int
    per: CapPer


@dataclass(frozen=True, slots=True)
class Spent:
    """Credits that a key has held and not given back, in windows that end with now."""

    day: int = 0
    month: int = 0
    total: int = 0

    def of(self, per: CapPer) -> int:
        """What counts towards a cap."""
        return {CapPer.DAY: self.day, CapPer.MONTH: self.month, CapPer.TOTAL: self.total}[per]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, without its token: that is shown once, and only its hash is kept.

    Attributes:
        prefix: The beginning of the token.
        models: The names that it may use; None: all.
        last_used_at: To the minute or so.
    """

    id: UUID
    user_id: UUID
    name: str
    prefix: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None
    cap: SpendCap | None
    rate_limit_per_minute: int | None
    spent: Spent
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def spent_credits(self) -> int:
        """What counts towards the cap; without a cap all that was ever spent."""
        return self.spent.of(CapPer.TOTAL if self.cap is None else self.cap.per)

    @property
    def cap_left(self) -> int | None:
        """Credits that the cap leaves; None: there is none."""
        return None if self.cap is None else max(0, self.cap.credits - self.spent_credits)

    @property
    def is_simple(self) -> bool:
        """Whether it may predict, with all models, and has no cap: such a key is looked up by its token alone."""
        return self.cap is None and self.models is None and Scope.PREDICT in self.scopes

    def may_use(self, model: str) -> bool:
        """Whether it is for this model."""
        return self.models is None or model in self.models


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user, and what lets somebody act as that user.

    Attributes:
        session_id: The sign-in, which must still be valid when a request is accepted: the statement that accepts it
            checks that. None: the edge knows the user by other means, as the bot knows a chat's.
        is_page: The service's own page asks, and not another client of the API.
        key_id: The API key, in place of a sign-in; the same statement checks it, by the hash of its token.
        has_simple_key: It was `ApiKey.is_simple` when it was looked at last.
    """

    user_id: UUID
    session_id: UUID | None = None
    is_page: bool = False
    key_id: UUID | None = None
    token_hash: bytes | None = None
    has_simple_key: bool = False


def new_token() -> str:
    """Make the token of an API key."""
    return TOKEN_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH))


def is_key_token(token: str) -> bool:
    """Whether this has the form of an API key's token."""
    return len(token) == len(TOKEN_PREFIX) + RANDOM_LENGTH and token.startswith(TOKEN_PREFIX)


def hash_of(token: str) -> bytes:
    """What is kept of a token: it is random, so a plain SHA-256 cannot be searched for it."""
    return hashlib.sha256(token.encode()).digest()
