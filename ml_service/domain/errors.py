"""Every error that a user can meet, each with a stable code.

ServiceError
├── InvalidInput             invalid_input            what was sent does not fit
├── Unauthenticated          unauthenticated          no, or no longer a, valid token
├── WrongCredentials         wrong_credentials        user name and password do not match
├── PermissionDenied         permission_denied        known, but not allowed
├── Forbidden                forbidden                the user's role is not enough
├── Blocked                  blocked                  an admin has blocked this user
├── ScopeMissing             scope_missing            the API key is not for this
├── ModelNotAllowed          model_not_allowed        the API key is not for this model
├── KeyCapExceeded           key_cap_exceeded         the API key's spend cap does not cover the price
├── MaxCreditsExceeded       max_credits_exceeded     it costs more than the caller accepts
├── InsufficientCredits      insufficient_credits     the balance does not cover the price
├── NotFound                 not_found                missing, or another user's: the same answer
├── ModelNotFound            model_not_found          no worker has ever announced this model
├── ModelDisabled            model_disabled           an admin has switched this model off
├── UsernameTaken            username_taken
├── LastAdmin                last_admin               somebody has to stay an admin
├── AccountDeleted           account_deleted          nothing is given to an account that was deleted
├── AlreadyFinished          already_finished         a terminal prediction cannot be canceled
├── IdempotencyKeyReused     idempotency_key_reused   the same key with another request
├── TooManyQueued            too_many_queued          the user's own open predictions are at their limit
├── TooManyRequests          too_many_requests        a rate limit, with the seconds to wait
├── Overloaded               overloaded               the whole service is at its limit
└── Unavailable              unavailable              a part of the service is away for the moment
    ├── DatabaseUnavailable  database_unavailable
    └── QueueUnavailable     queue_unavailable

Each edge maps these in one table: `services/app/api/problems.py` to problem+json.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ServiceError(Exception):
    """The root of all errors that are answered, not logged as bugs.

    Attributes:
        code: Stable, for programs.
        message: One sentence, for people. Never holds a secret or another user's data.
        details: More for programs: field errors, the balance, the price.
        retry_after_s: Seconds after which the same request may succeed, if waiting helps.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, retry_after_s: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s


class InvalidInput(ServiceError):
    """What was sent does not fit; ``details["errors"]`` lists ``{"location", "message"}``."""

    code = "invalid_input"


class Unauthenticated(ServiceError):
    """There is no token, or it is no longer valid."""

    code = "unauthenticated"


class WrongCredentials(ServiceError):
    """User name and password do not match. Unknown names and wrong passwords are answered alike."""

    code = "wrong_credentials"


class PermissionDenied(ServiceError):
    """The user is known but not allowed to do this."""

    code = "permission_denied"


class Forbidden(ServiceError):
    """The user's role is not enough; ``details["role"]`` is the one that is needed."""

    code = "forbidden"


class Blocked(ServiceError):
    """An admin has blocked this user: no sign-in, and no prediction is accepted."""

    code = "blocked"


class ScopeMissing(ServiceError):
    """The API key's scopes do not allow this; some things no key may do."""

    code = "scope_missing"


class ModelNotAllowed(ServiceError):
    """The API key may be used for other models only."""

    code = "model_not_allowed"


class KeyCapExceeded(ServiceError):
    """The API key's spend cap does not cover the price; ``details`` has ``cost`` and ``cap_left`` in credits."""

    code = "key_cap_exceeded"


class MaxCreditsExceeded(ServiceError):
    """It costs more than the caller accepts; ``details`` has ``cost`` and ``max_credits``."""

    code = "max_credits_exceeded"


class InsufficientCredits(ServiceError):
    """The balance does not cover the price; ``details`` has ``balance`` and ``cost`` in credits."""

    code = "insufficient_credits"


class NotFound(ServiceError):
    """It does not exist, or it is another user's: the answer is the same."""

    code = "not_found"


class ModelNotFound(ServiceError):
    """No worker has ever announced a model of this name."""

    code = "model_not_found"


class ModelDisabled(ServiceError):
    """An admin has switched this model off: nothing is accepted for it."""

    code = "model_disabled"


class UsernameTaken(ServiceError):
    """Somebody has this user name already, compared without case."""

    code = "username_taken"


class LastAdmin(ServiceError):
    """Nobody who can sign in would be an admin: somebody else has to be one first."""

    code = "last_admin"


class AccountDeleted(ServiceError):
    """The user has deleted the account: it is given nothing any more, no credits, rights or keys."""

    code = "account_deleted"


class AlreadyFinished(ServiceError):
    """A terminal prediction never changes, so it cannot be canceled."""

    code = "already_finished"


class IdempotencyKeyReused(ServiceError):
    """The same Idempotency-Key came with a different request."""

    code = "idempotency_key_reused"


class TooManyQueued(ServiceError):
    """The user has as many open predictions as the limit allows."""

    code = "too_many_queued"


class TooManyRequests(ServiceError):
    """A rate limit was reached; ``retry_after_s`` says when it opens again."""

    code = "too_many_requests"


class Overloaded(ServiceError):
    """The whole service is at its limit; nothing was accepted."""

    code = "overloaded"


class Unavailable(ServiceError):
    """A part of the service is away for the moment; nothing was accepted."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer in time."""

    code = "database_unavailable"


class QueueUnavailable(Unavailable):
    """The broker does not answer in time. A publish that raised this may still have arrived."""

    code = "queue_unavailable"
