"""Webhooks: which events there are, which addresses are taken, when a message is sent again."""

from __future__ import annotations

import base64
import random
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from ml_service.domain.addresses import Network, is_reachable
from ml_service.domain.errors import InvalidInput

URL_LENGTH_MAX = 2048
SECRET_BYTES = 32
_PORTS = {"http": 80, "https": 443}
_NUMBER_LAST = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
"""A host whose last label is a number is an IPv4 address, in whichever notation (WHATWG URL, "ends in a number")."""
_V4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")

DELAYS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600, 36_000)
"""Between the attempts: eleven, over a day."""
JITTER = 0.1
"""So far a delay may deviate, so that what failed together does not come again together."""
RETRY_AFTER_S_MAX = 3600.0


class WebhookEvent(StrEnum):
    """What a webhook can hear of."""

    SUCCEEDED = "prediction.succeeded"
    FAILED = "prediction.failed"
    CANCELED = "prediction.canceled"
    EXPIRED = "prediction.expired"
    BULK_FINISHED = "bulk.finished"
    BALANCE_LOW = "balance.low"


PredictionEvent = Literal[WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED, WebhookEvent.EXPIRED]
PREDICTION_EVENTS: tuple[PredictionEvent, ...] = (
    WebhookEvent.SUCCEEDED,
    WebhookEvent.FAILED,
    WebhookEvent.CANCELED,
    WebhookEvent.EXPIRED,
)
TEST_EVENT = "webhook.test"
"""What `…/test` sends, whatever the webhook subscribes to."""


class DisabledReason(StrEnum):
    """Why a webhook is switched off."""

    USER = "user"
    FAILING = "failing"
    """Its receiver has failed for days."""
    GONE = "gone"
    """Its receiver has answered 410 Gone."""
    ADMIN = "admin"


class DeliveryState(StrEnum):
    """Where a message to a webhook is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """It was given up."""


class FailureCode(StrEnum):
    """Why an attempt to deliver a message failed."""

    ANSWERED = "answered"
    """The receiver's status is none of success."""
    REDIRECTED = "redirected"
    TIMED_OUT = "timed_out"
    PUT_OUT = "put_out"
    """It was slow while too many others were."""
    NAME_UNKNOWN = "name_unknown"
    ADDRESS_REFUSED = "address_refused"
    """It leads to a private or reserved address."""
    NOT_CONNECTED = "not_connected"
    TLS_FAILED = "tls_failed"
    CLOSED = "closed"
    """The receiver closed the connection without an answer."""
    URL_INVALID = "url_invalid"
    UNREADABLE = "unreadable"
    SWITCHED_OFF = "switched_off"
    """The webhook was deleted or switched off."""
    NOT_KEPT = "not_kept"
    """The prediction is no longer kept."""


_FAILURES = {
    FailureCode.ANSWERED: "It answered {detail}.",
    FailureCode.REDIRECTED: "It redirects to {detail}; redirects are not followed.",
    FailureCode.TIMED_OUT: "There was no answer within {detail} s.",
    FailureCode.PUT_OUT: "It was slow while too many others were.",
    FailureCode.NAME_UNKNOWN: "Its name could not be resolved.",
    FailureCode.ADDRESS_REFUSED: "It leads to a private or reserved address, which is not connected to.",
    FailureCode.NOT_CONNECTED: "It cannot be connected to.",
    FailureCode.TLS_FAILED: "TLS failed: its certificate is not trusted, or does not fit its name.",
    FailureCode.CLOSED: "It closed the connection without an answer.",
    FailureCode.URL_INVALID: "This is not a URL.",
    FailureCode.UNREADABLE: "Its answer could not be read: {detail}.",
    FailureCode.SWITCHED_OFF: "The webhook was deleted or switched off.",
    FailureCode.NOT_KEPT: "The prediction is no longer kept.",
}


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why an attempt failed.

    Attributes:
        detail: What the code is about: a status, seconds, the place that is redirected to, an error's class; else None.
    """

    code: FailureCode
    detail: str | None = None

    def __str__(self) -> str:
        return _FAILURES[self.code].format(detail=self.detail)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of sending a message.

    Attributes:
        failure: Why it is not delivered; None: it is.
        is_final: Sending it again is no use.
    """

    status: int | None
    failure: DeliveryFailure | None
    answer: str | None = None
    retry_after_s: float | None = None
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class RequestWebhook:
    """A webhook that a request names, for what becomes of it."""

    url: str
    events: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Scheme, host and port in one spelling: the receiver that a slow answer says something about."""
        parts = urlsplit(self.url)
        host = (parts.hostname or "").removesuffix(".")
        if ":" not in host:
            host = host.encode("idna").decode()
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
        return f"{parts.scheme}://[{host}]:{port}" if ":" in host else f"{parts.scheme}://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs; ``previous_secret``, where there is one, signs as well until ``previous_until``."""

    secret: str
    previous_secret: str | None = None
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A user's address that is subscribed to some events.

    Attributes:
        balance_low_credits: `balance.low` is sent when the balance falls below it.
        failing_since: The first failure since the last success.
    """

    id: UUID
    user_id: UUID
    url: str
    events: tuple[str, ...]
    balance_low_credits: int
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver a message.

    Attributes:
        status: The HTTP status; None: there was no answer.
        ms: Milliseconds that it took.
        error: Why it failed, in English; None: it did not.
        code: A `FailureCode`; None as well where the attempt is older than codes.
        detail: As a `DeliveryFailure` has it.
        answer: The beginning of the answer's body.
    """

    at: datetime
    status: int | None
    ms: float
    error: str | None
    code: str | None
    detail: str | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A message to a webhook, as its log shows it."""

    id: int
    webhook_id: UUID | None
    url: str | None
    event: str
    subject_id: UUID
    state: DeliveryState
    attempts: tuple[Attempt, ...]
    created_at: datetime
    next_at: datetime | None


def message_id(subject_id: UUID) -> str:
    """The ``webhook-id`` of all attempts at a message, by which a receiver knows a repetition."""
    return f"msg_{subject_id.hex}"


def new_secret() -> str:
    """A secret of Standard Webhooks' form."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def retry_delay_s(tries: int, retry_after_s: float | None = None) -> float | None:
    """Seconds until the next attempt after ``tries`` of them; None: it is given up.

    Args:
        retry_after_s: What the receiver asked for.
    """
    if tries > len(DELAYS_S):
        return None
    delay_s = DELAYS_S[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  no secret
    return max(delay_s, min(retry_after_s or 0.0, RETRY_AFTER_S_MAX))


def check_url(url: str, ports: Sequence[range], opened: Sequence[Network], location: str = "body.url") -> None:
    """Refuse a URL that is never sent to. Where a name leads is only known when it is connected to.

    Raises:
        InvalidInput: What is wrong with it.
    """
    try:
        message = _wrong(url, ports, opened)
    except ValueError:
        message = "This is not a URL."
    if message:
        raise InvalidInput(message, errors=[{"location": location, "message": message}])


def _wrong(url: str, ports: Sequence[range], opened: Sequence[Network]) -> str | None:
    if len(url) > URL_LENGTH_MAX:
        return f"A URL has at most {URL_LENGTH_MAX} characters."
    if not url.isprintable() or " " in url or "\\" in url:
        return "A URL has no spaces, backslashes or control characters."
    return _wrong_parts(urlsplit(url), ports, opened)


def _wrong_parts(parts: SplitResult, ports: Sequence[range], opened: Sequence[Network]) -> str | None:
    if parts.scheme not in _PORTS:
        return "The URL begins with https:// or http://."
    if "@" in parts.netloc:
        return "A URL with a user name or a password is not taken; the signature says who sends."
    if not parts.hostname:
        return "The URL names no host."
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    if not any(port in some for some in ports):
        return f"Messages are not sent to port {port}."
    return _wrong_host(parts.hostname, opened)


def _wrong_host(host: str, opened: Sequence[Network]) -> str | None:
    if ":" not in host and not _NUMBER_LAST.search(host):
        host.encode("idna")  # raises UnicodeError, which is a ValueError
        return None
    if ":" not in host and not _V4.fullmatch(host):
        return "An address is written like 192.0.2.1."
    if not is_reachable(host, opened):
        return "Messages are not sent to private or reserved addresses."
    return None


def json_event(event: str, at: datetime, data: bytes) -> bytes:
    """The body of a message; ``data`` is JSON."""
    timestamp = at.isoformat().replace("+00:00", "Z")
    return b'{"type":"%s","timestamp":"%s","data":%s}' % (event.encode(), timestamp.encode(), data)


def attempt_of(one: dict[str, Any]) -> Attempt:
    """An attempt from the JSON that a query makes of it."""
    return Attempt(**{**one, "at": datetime.fromisoformat(one["at"])})
