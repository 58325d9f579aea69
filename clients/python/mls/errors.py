"""Every error that the service answers, a class for each ``code``.

ApiError
├── InvalidInput             invalid_input            what was sent does not fit; `errors` says what and where
├── Unauthenticated          unauthenticated          no, or no longer a, valid token or key
├── …                                                 the others below
└── Unavailable              unavailable              a part of the service is away for the moment
    ├── DatabaseUnavailable  database_unavailable
    └── QueueUnavailable     queue_unavailable

A code that this version of the client does not know is raised as `ApiError` itself, and so is an error of something
before the service, as `http_error`. `UnexpectedAnswer` is an `ApiError`, too: a redirect, or a page of something else.
`ServiceUnreachable` (no answer at all), `StillRunning` (an answer that did not come in the time that was given) and
`SourceConsumed` (inputs that cannot be sent again) are not. Where a request may have been accepted all the same,
`ApiError` and `ServiceUnreachable` say how to go on: by `prediction_id` or `idempotency_key`.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar
from uuid import UUID

import httpx2
from pydantic import ValidationError

from mls.types import Answered, Prediction

Answer = TypeVar("Answer", bound=Answered)
LOCATION_MAX = 200
"""Characters of an address in a message."""


class RequestError(Exception):
    """What is known of a request that has ended with an error.

    Attributes:
        prediction_id: Of the prediction that was accepted before it: `Client.wait` goes on with it.
        idempotency_key: Of a request that may have been accepted all the same: asking again with it as ``key`` finds
            what was accepted, and asks otherwise. None where nothing can have been.
    """

    prediction_id: UUID | None = None
    idempotency_key: str | None = None

    def __str__(self) -> str:
        words = super().__str__()
        if self.prediction_id is not None:
            return f"{words} The prediction {self.prediction_id} was accepted: wait for it."
        if self.idempotency_key is not None:
            return f"{words} If it was accepted, asking again with the key {self.idempotency_key} finds it."
        return words


class ApiError(RequestError):
    """The service refused a request (RFC 9457).

    Attributes:
        code: Stable, for programs.
        status: Of HTTP.
        detail: One sentence, for people.
        request_id: What to quote to those who run the service.
        retry_after_s: Seconds after which the same request may succeed, if waiting helps.
        members: All that the service said, such as ``balance`` and ``cost``.
    """

    code: str = "error"
    known: ClassVar[dict[str, type[ApiError]]] = {}

    def __init_subclass__(cls) -> None:
        ApiError.known[cls.code] = cls

    def __init__(
        self, code: str, status: int, detail: str, *, retry_after_s: float | None = None, **members: Any
    ) -> None:
        self.request_id: str | None = members.get("request_id")
        # Of a failure of its own the service's log says more, to those who look for the request.
        quoted = f", request {self.request_id}" if status >= 500 and self.request_id else ""  # noqa: PLR2004
        super().__init__(f"{detail} ({status} {code}{quoted})")
        self.code = code
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.members = members

    @property
    def errors(self) -> list[dict[str, str]]:
        """What is wrong with what was sent, each with ``location`` and ``message``; empty where that is not told."""
        return self.members.get("errors") or []


class InvalidInput(ApiError):
    """What was sent does not fit; see ``errors``."""

    code = "invalid_input"


class Unauthenticated(ApiError):
    """There is no token or key, or it is no longer valid."""

    code = "unauthenticated"


class WrongCredentials(ApiError):
    """User name and password do not match."""

    code = "wrong_credentials"


class PermissionDenied(ApiError):
    """Known, but not allowed to do this."""

    code = "permission_denied"


class Forbidden(ApiError):
    """The user's role is not enough."""

    code = "forbidden"

    @property
    def role(self) -> str:
        """The role that is needed."""
        return str(self.members["role"])


class Blocked(ApiError):
    """An admin has blocked this user."""

    code = "blocked"


class InsufficientCredits(ApiError):
    """The balance does not cover the price."""

    code = "insufficient_credits"

    @property
    def balance(self) -> int:
        """Credits that there are."""
        return int(self.members["balance"])

    @property
    def cost(self) -> int:
        """Credits that it would take."""
        return int(self.members["cost"])


class ScopeMissing(ApiError):
    """The API key's scopes do not allow this; some things no key may do."""

    code = "scope_missing"


class ModelNotAllowed(ApiError):
    """The API key may be used for other models only."""

    code = "model_not_allowed"


class KeyCapExceeded(ApiError):
    """The API key's spend cap does not cover the price."""

    code = "key_cap_exceeded"

    @property
    def cap_left(self) -> int:
        """Credits that the key may still spend."""
        return int(self.members["cap_left"])

    @property
    def cost(self) -> int:
        """Credits that it would take."""
        return int(self.members["cost"])


class MaxCreditsExceeded(ApiError):
    """It costs more than ``max_credits``, which came with the request."""

    code = "max_credits_exceeded"

    @property
    def cost(self) -> int:
        """Credits that it would take."""
        return int(self.members["cost"])

    @property
    def max_credits(self) -> int:
        """As it was sent."""
        return int(self.members["max_credits"])


class NotFound(ApiError):
    """It does not exist, or it is another user's."""

    code = "not_found"


class ModelNotFound(ApiError):
    """There is no model of this name."""

    code = "model_not_found"


class ModelDisabled(ApiError):
    """An admin has switched this model off."""

    code = "model_disabled"


class UsernameTaken(ApiError):
    """Somebody has this user name already."""

    code = "username_taken"


class LastAdmin(ApiError):
    """Nobody who can sign in would be an admin."""

    code = "last_admin"


class AccountDeleted(ApiError):
    """The account was deleted, and is given nothing any more."""

    code = "account_deleted"


class AlreadyFinished(ApiError):
    """It has ended, and so cannot be canceled."""

    code = "already_finished"


class IdempotencyKeyReused(ApiError):
    """The same Idempotency-Key came with a different request."""

    code = "idempotency_key_reused"


class TooManyQueued(ApiError):
    """The user has as many open predictions as the limit allows."""

    code = "too_many_queued"


class TooManyRequests(ApiError):
    """A rate limit was reached."""

    code = "too_many_requests"


class Overloaded(ApiError):
    """The whole service is at its limit; nothing was accepted."""

    code = "overloaded"


class Unavailable(ApiError):
    """A part of the service is away for the moment; nothing was accepted."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The service's database does not answer in time."""

    code = "database_unavailable"


class QueueUnavailable(Unavailable):
    """The service's queue does not answer in time."""

    code = "queue_unavailable"


class PayloadTooLarge(ApiError):
    """The body is larger than the service takes."""

    code = "payload_too_large"


class UnexpectedAnswer(ApiError):
    """What came is no answer of this service: a redirect, or the page of a proxy, a portal or another site."""

    code = "unexpected_answer"


class ServiceUnreachable(RequestError):
    """No answer: the connection was refused, broken or silent, also after the retries or in all of the time given.

    What is known of a prediction is in ``prediction_id`` or ``idempotency_key``.
    """


class SourceConsumed(Exception):
    """The inputs of a bulk job have to be sent again, and can be read once only, as those of a generator.

    No job was begun. Call again with inputs from their beginning, or with a list or a file.
    """


class StillRunning(Exception):
    """A prediction did not end in the time that was given; it goes on, and `wait` may be called again.

    Attributes:
        prediction: As it was last seen.
    """

    def __init__(self, prediction: Prediction) -> None:
        super().__init__(f"The prediction {prediction.id} is still {prediction.status}.")
        self.prediction = prediction


def read_as(kind: type[Answer], response: httpx2.Response, content: bytes | None = None) -> Answer:
    """What a successful answer says in its body, or in ``content``, a part of it; raises ApiError."""
    if not response.is_success:
        raise error_of(response)
    try:
        return kind.model_validate_json(response.content if content is None else content)
    except ValidationError as error:
        raise unexpected(response, f"The answer is no {kind.__name__} of an ML Service") from error


def check_media_type(response: httpx2.Response, expected: str) -> None:
    """Raise UnexpectedAnswer where an answer says that it is something else."""
    found = response.headers.get("Content-Type", expected)
    if found.partition(";")[0].strip().lower() != expected:
        raise unexpected(response, f"The answer is not the {expected} of an ML Service")


def error_of(response: httpx2.Response) -> ApiError:
    """What the service says in an answer that is no success; its body has been read."""
    if response.is_redirect:
        return _redirected(response)
    try:
        body = response.json()
        assert isinstance(body, dict)  # noqa: S101  a proxy's own words are handled below
        code, detail = str(body.pop("code")), str(body.pop("detail"))
    except (ValueError, KeyError, AssertionError):
        body, code, detail = {}, "http_error", response.reason_phrase or "The service answered with an error."
    body.pop("status", None)
    body.setdefault("request_id", response.headers.get("X-Request-ID"))
    found = ApiError.known.get(code, ApiError)
    return found(code, response.status_code, detail, retry_after_s=_retry_after_s(response), **body)


def _redirected(response: httpx2.Response) -> UnexpectedAnswer:
    """It is not followed: a key or a password would go to an address that nobody has given."""
    try:
        target = response.url.join(response.headers.get("Location", ""))
    except httpx2.InvalidURL:
        return unexpected(response, "The answer is a redirect to an address that cannot be read")
    address, shown = f"{target.scheme}://{target.netloc.decode()}", str(target)[:LOCATION_MAX]
    return unexpected(response, f"The answer is a redirect to {shown}: use {address} as the service's address")


def unexpected(response: httpx2.Response, what: str) -> UnexpectedAnswer:
    """The error for an answer that the service does not give."""
    return UnexpectedAnswer(
        UnexpectedAnswer.code,
        response.status_code,
        f"{what}.",
        media_type=response.headers.get("Content-Type"),
        location=response.headers.get("Location"),
        request_id=response.headers.get("X-Request-ID"),
    )


def _retry_after_s(response: httpx2.Response) -> float | None:
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
