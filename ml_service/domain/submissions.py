"""A request for predictions: as it was asked, as it is submitted, and what became of it.

The values are structs, as each request makes all of them: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import orjson

from ml_service.domain.credentials import Principal
from ml_service.domain.predictions import JsonObject, Prediction, Source
from ml_service.domain.webhooks import RequestWebhook


class Receiver(StrEnum):
    """Who can be told of an answer."""

    TELEGRAM = "telegram"
    """The chats that are linked to the account."""


FINGERPRINT_VERSION = b"\x03"
_DIGEST_BYTES = 32
FINGERPRINT_BYTES = 1 + 2 * _DIGEST_BYTES


class ModelInput(NamedTuple):
    """One input for one model; None means the default model."""

    model: str | None
    input: JsonObject


class SubmitRequest(msgspec.Struct, frozen=True):
    """What was asked, by the API or in a chat; nothing of it is checked yet.

    Attributes:
        key: The client's Idempotency-Key: repeating the request with it answers with the first one's predictions.
        deadline_s: Seconds until it must have ended; after that it expires and its credits are released.
        notify: Receivers of the answer besides the client; None: as the account prefers.
        chat_id: The chat in which it was asked, and which the answer is owed to.
        webhook: An address that the answer is sent to.
        repeats: The prediction that is asked for again. That is what the request means, whatever became of its version.
    """

    items: tuple[ModelInput, ...]
    source: Source
    is_batch: bool = False
    key: str | None = None
    deadline_s: float | None = None
    notify: frozenset[Receiver] | None = None
    chat_id: int | None = None
    webhook: RequestWebhook | None = None
    repeats: UUID | None = None

    def fingerprint(self, default_model: str) -> bytes:
        """What the request means, for `is_same_request`. The order of names, and 1 or 1.0, make no difference.

        Raises:
            orjson.JSONEncodeError: It has a number beyond 64 bits or a lone surrogate, and is never accepted.
        """
        if self.repeats is not None:
            return fingerprint_of(orjson.dumps(["repeat", self.repeats]), (), default_model)
        notify = None if self.notify is None else sorted(self.notify)
        webhook = None if self.webhook is None else [self.webhook.url, sorted(self.webhook.events)]
        inputs = [_canonical(item.input) for item in self.items]
        meaning = [self.is_batch, _canonical(self.deadline_s), notify, webhook, inputs]
        rest = orjson.dumps(meaning, option=orjson.OPT_SORT_KEYS)
        return fingerprint_of(rest, [item.model for item in self.items], default_model)


def fingerprint_of(rest: bytes, models: Sequence[str | None], default_model: str) -> bytes:
    """The version of this rule, then two digests: with the models as they are named, and with the default one named.

    The first stays the same whatever becomes the default model; by the second, a request may name the default model
    where another one leaves it out.

    Args:
        rest: All else that the request means, in one spelling.
        models: Of each item; None: it names none.
    """
    digest = hashlib.sha256(rest)
    found = FINGERPRINT_VERSION
    for names in (models, [default_model if model is None else model for model in models]):
        one = digest.copy()
        one.update(orjson.dumps(names))
        found += one.digest()
    return found


def is_same_request(one: bytes, other: bytes) -> bool:
    """Whether two fingerprints are of equal requests.

    One of another version cannot be compared: its key is from before an upgrade, and is taken as equal.
    """
    if any(not each.startswith(FINGERPRINT_VERSION) or len(each) != FINGERPRINT_BYTES for each in (one, other)):
        return True
    end = 1 + _DIGEST_BYTES
    return one[1:end] == other[1:end] or one[end:] == other[end:]


class SubmissionItem(msgspec.Struct, frozen=True):
    """One prediction of a submission: validated and priced; ``input`` is JSON text."""

    id: UUID
    model: str
    version: str
    pool: str
    cost: int
    input: str


class Submission(msgspec.Struct, frozen=True):
    """A validated and priced request: one prediction, or a batch that is accepted whole or not at all.

    Attributes:
        batch_id: None for a single prediction.
        key: The Idempotency-Key, if the client sent one; ``fingerprint`` says what it stood for.
        deadline_s: Seconds from now until which it must have ended, or None.
        open_max: How many single predictions the user may have open, this one included.
        notify, chat_id, webhook: As in the request.
    """

    principal: Principal
    source: Source
    items: tuple[SubmissionItem, ...]
    batch_id: UUID | None = None
    key: str | None = None
    fingerprint: bytes = b""
    deadline_s: float | None = None
    open_max: int = 1000
    notify: frozenset[Receiver] | None = None
    chat_id: int | None = None
    webhook: RequestWebhook | None = None

    @property
    def user_id(self) -> UUID:
        """Who pays."""
        return self.principal.user_id

    @property
    def cost(self) -> int:
        """Credits of all items together."""
        return sum(item.cost for item in self.items)


class Decision(StrEnum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    TOO_MANY_OPEN = "too_many_open"
    BLOCKED = "blocked"
    NO_USER = "no_user"
    NO_SESSION = "no_session"
    SCOPE_MISSING = "scope_missing"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    KEY_CAP_EXCEEDED = "key_cap_exceeded"
    LATE = "late"
    """The day changed while this waited for the key's row, where the new day is counted already: submit again. Or by a
    simple key: submit again with a look at the key itself."""
    TWIN = "twin"
    """Another request with the same key was accepted at the same moment: submit again to learn what it is."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one submission.

    Attributes:
        balance: The user's balance after the commit, in credits.
        created_at: Of what was accepted.
        open_count: The user's open single predictions after the commit; exact only up to the limit.
        replayed_id, replayed_batch_id, replayed_fingerprint: What the same key stood for the first time.
        cap_left: What the API key's cap leaves after the commit, in credits; None: it has no cap, or there is no key.
        predictions: In the order of the request, as they are now; empty where nothing was accepted.
    """

    decision: Decision
    balance: int
    created_at: datetime
    open_count: int = 0
    replayed_id: UUID | None = None
    replayed_batch_id: UUID | None = None
    replayed_fingerprint: bytes | None = None
    cap_left: int | None = None
    predictions: tuple[Prediction, ...] = ()

    @property
    def is_replay(self) -> bool:
        """Whether the same Idempotency-Key was accepted before: nothing new was done."""
        return self.decision is Decision.REPLAYED


def _canonical(value: Any) -> Any:
    """The value with one spelling for equal numbers."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and -(2**63) <= value < 2**64 else value
    if isinstance(value, dict):
        return {name: _canonical(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    return value
