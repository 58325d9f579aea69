"""Why a submission was not accepted, as an error for the client."""

from __future__ import annotations

from collections.abc import Callable

from ml_service.domain.credentials import Scope
from ml_service.domain.errors import (
    DatabaseUnavailable,
    InsufficientCredits,
    KeyCapExceeded,
    ServiceError,
    TooManyQueued,
    Unauthenticated,
)
from ml_service.domain.ledger import in_words
from ml_service.domain.submissions import Decision, Outcome, Submission
from ml_service.usecases.api_keys import model_not_allowed, scope_missing
from ml_service.usecases.users import blocked, unauthenticated


def refusal(submission: Submission, outcome: Outcome) -> ServiceError:
    """The error for a submission that was not accepted."""
    return _ERRORS[outcome.decision](submission, outcome)


def _insufficient_credits(submission: Submission, outcome: Outcome) -> ServiceError:
    return InsufficientCredits(
        f"This costs {in_words(submission.cost)}, and the balance is {outcome.balance}.",
        balance=outcome.balance,
        cost=submission.cost,
    )


def _too_many_open(submission: Submission, _outcome: Outcome) -> ServiceError:
    return TooManyQueued(
        f"At most {submission.open_max} predictions of a user may be unfinished; wait for some, or send a batch.",
        retry_after_s=1.0,
    )


def _key_cap_exceeded(submission: Submission, outcome: Outcome) -> ServiceError:
    cap_left = outcome.cap_left or 0
    return KeyCapExceeded(
        f"This costs {in_words(submission.cost)}, and the spend cap of the API key leaves {cap_left}.",
        cost=submission.cost,
        cap_left=cap_left,
    )


def _model_not_allowed(submission: Submission, _outcome: Outcome) -> ServiceError:
    return model_not_allowed(sorted({item.model for item in submission.items}))


_ERRORS: dict[Decision, Callable[[Submission, Outcome], ServiceError]] = {
    Decision.INSUFFICIENT_CREDITS: _insufficient_credits,
    Decision.TOO_MANY_OPEN: _too_many_open,
    Decision.BLOCKED: lambda *_: blocked(),
    Decision.NO_USER: lambda *_: Unauthenticated("This user no longer exists."),
    Decision.NO_SESSION: lambda *_: unauthenticated(),
    Decision.SCOPE_MISSING: lambda *_: scope_missing(Scope.PREDICT),
    Decision.MODEL_NOT_ALLOWED: _model_not_allowed,
    Decision.KEY_CAP_EXCEEDED: _key_cap_exceeded,
    Decision.LATE: lambda *_: DatabaseUnavailable("A day has just ended; try again.", retry_after_s=1.0),
    Decision.TWIN: lambda *_: DatabaseUnavailable(
        "Another request with this Idempotency-Key came just now; try again.", retry_after_s=1.0
    ),
}
