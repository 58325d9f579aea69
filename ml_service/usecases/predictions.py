"""What can be done with predictions: ask for them, look at them, cancel them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from ml_service.domain.errors import (
    AlreadyFinished,
    DatabaseUnavailable,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    NotFound,
    TooManyQueued,
    Unauthenticated,
)
from ml_service.domain.predictions import Prediction, Source, Status, new_id
from ml_service.storage import predictions
from ml_service.storage.database import Database, Session
from ml_service.storage.predictions import HistoryFilter
from ml_service.storage.submissions import Decision, NewPrediction, Outcome, Submission
from ml_service.usecases.intake import Intake
from ml_service.usecases.models import Catalog
from ml_service.usecases.users import unauthenticated

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""NUL in JSON; a text may spell its escape, which is a backslash more."""
MISSING = "There is no such prediction."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request and one user may ask for; each is a setting of the same name."""

    input_bytes_max: int
    batch_items_max: int
    open_predictions_per_user_max: int
    deadline_s_max: float


@dataclass(frozen=True, slots=True)
class Ask:
    """One input for one model, as the user gave it."""

    model: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to a request.

    Attributes:
        predictions: In the order of the request.
        batch_id: None for a single prediction.
        balance: The user's balance after it, in credits.
        is_replay: The same Idempotency-Key had been accepted before; these are its predictions as they stand now.
    """

    predictions: tuple[Prediction, ...]
    batch_id: UUID | None
    balance: int
    is_replay: bool


class Predictor:
    """Asks for predictions: validate, price, submit. One for all edges of a process."""

    def __init__(self, database: Database, catalog: Catalog, intake: Intake, limits: Limits) -> None:
        self._database = database
        self._catalog = catalog
        self._intake = intake
        self._limits = limits

    async def ask(
        self,
        user_id: UUID,
        asks: Sequence[Ask],
        *,
        source: Source,
        is_batch: bool = False,
        key: str | None = None,
        deadline_s: float | None = None,
        session_id: UUID | None = None,
    ) -> Asked:
        """Accept one prediction, or a batch as a whole. When this returns, it is committed.

        Args:
            key: The client's Idempotency-Key: repeating the request with it answers with the first one's predictions.
            deadline_s: Seconds until which a worker must have begun; else it expires and its credits go back.
            session_id: The user's sign-in, if it has not been looked up yet: then that is done with the rest.

        Raises:
            Unauthenticated: The sign-in has ended, or the user is gone; nothing was accepted.
            InvalidInput, ModelNotFound: Nothing was accepted.
            InsufficientCredits, TooManyQueued: Nothing was accepted.
            IdempotencyKeyReused: The key stood for a different request.
            DatabaseUnavailable: Nothing was accepted, unless the connection broke at the commit: repeat with a key.
        """
        submission = await self._prepare(
            user_id, asks, source, is_batch=is_batch, key=key, deadline_s=deadline_s, session_id=session_id
        )
        outcome = await self._intake.submit(submission)
        match outcome.decision:
            case Decision.ACCEPTED:
                accepted = tuple(_accepted(submission, item, outcome) for item in submission.items)
                return Asked(accepted, submission.batch_id, outcome.balance, is_replay=False)
            case Decision.REPLAYED:
                return await self._replay(submission, outcome)
            case Decision.INSUFFICIENT_CREDITS:
                raise InsufficientCredits(
                    f"This costs {submission.cost} credits, and the balance is {outcome.balance}.",
                    balance=outcome.balance,
                    cost=submission.cost,
                )
            case Decision.TOO_MANY_OPEN:
                raise TooManyQueued(
                    f"At most {submission.open_max} predictions of a user may be unfinished; send many as a batch.",
                    retry_after_s=1.0,
                )
            case Decision.TWIN:
                raise DatabaseUnavailable("Another request with this Idempotency-Key came just now.", retry_after_s=1.0)
            case Decision.NO_SESSION:
                raise unauthenticated()
            case Decision.NO_USER:
                raise Unauthenticated("There is no such user any more.")

    async def _prepare(
        self,
        user_id: UUID,
        asks: Sequence[Ask],
        source: Source,
        *,
        is_batch: bool,
        key: str | None,
        deadline_s: float | None,
        session_id: UUID | None,
    ) -> Submission:
        if not 1 <= len(asks) <= (self._limits.batch_items_max if is_batch else 1):
            raise InvalidInput(f"A batch has 1 to {self._limits.batch_items_max} items.")
        if deadline_s is not None and not 0 < deadline_s <= self._limits.deadline_s_max:
            raise InvalidInput(f"deadline_s lies between 0 and {self._limits.deadline_s_max:g} seconds.")
        items = []
        errors: list[dict[str, Any]] = []
        for place, ask in enumerate(asks):
            try:
                items.append(await self._price(ask))
            except InvalidInput as error:
                at = f"items.{place}." if is_batch else ""
                errors += [{**one, "location": at + one["location"]} for one in error.details["errors"]]
        if errors:
            raise InvalidInput(errors[0]["message"] if len(errors) == 1 else "The input is not valid.", errors=errors)
        fingerprint = b""
        if key is not None:
            meaning = [is_batch, deadline_s, [[item.model, item.input] for item in items]]
            fingerprint = hashlib.sha256(orjson.dumps(meaning)).digest()
        return Submission(
            user_id=user_id,
            source=source,
            items=tuple(items),
            batch_id=new_id() if is_batch else None,
            key=key,
            fingerprint=fingerprint,
            deadline_s=deadline_s,
            open_max=self._limits.open_predictions_per_user_max,
            session_id=session_id,
        )

    async def _price(self, ask: Ask) -> NewPrediction:
        try:
            encoded = orjson.dumps(ask.input)
        except orjson.JSONEncodeError:
            # A lone surrogate, or a number beyond 64 bits: JSON that no database and no other client could read.
            raise _invalid("The input has characters or numbers that cannot be stored.") from None
        if len(encoded) > self._limits.input_bytes_max:
            raise _invalid(f"An input has at most {self._limits.input_bytes_max} bytes as JSON.")
        if _NUL.search(encoded):
            raise _invalid("The input has a NUL character.")
        listed = await self._catalog.check(ask.model, ask.input)
        spec = listed.spec
        return NewPrediction(
            id=new_id(),
            model=spec.name,
            version=spec.version,
            pool=spec.pool,
            cost=listed.price_credits,
            input=encoded.decode(),
        )

    async def _replay(self, submission: Submission, outcome: Outcome) -> Asked:
        if outcome.replayed_fingerprint != submission.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key came with a different request before.")
        async with self._database.autocommit() as session:
            if outcome.replayed_batch_id is not None:
                found = await predictions.get_batch(session, submission.user_id, outcome.replayed_batch_id)
            else:
                assert outcome.replayed_id is not None  # noqa: S101  the column is NOT NULL
                found = list((await predictions.get_many(session, [outcome.replayed_id])).values())
        return Asked(tuple(found), outcome.replayed_batch_id, outcome.balance, is_replay=True)


async def get(session: Session, user_id: UUID, prediction_id: UUID) -> Prediction:
    """A user's prediction.

    Raises:
        NotFound: It is missing, or somebody else's: the same answer.
    """
    found = (await predictions.get_many(session, [prediction_id])).get(prediction_id)
    if found is None or found.user_id != user_id:
        raise NotFound(MISSING)
    return found


async def history(
    session: Session, user_id: UUID, wanted: HistoryFilter, *, before: UUID | None, limit: int
) -> tuple[list[Prediction], UUID | None]:
    """A page of a user's predictions, newest first, and the id to continue before; None where it is the last page."""
    page = await predictions.history(session, user_id, wanted, before=before, limit=limit + 1)
    return page[:limit], page[limit - 1].id if len(page) > limit else None


async def cancel(session: Session, user_id: UUID, prediction_id: UUID) -> Prediction:
    """Cancel an open prediction; its credits go back in the same commit.

    Raises:
        NotFound: It is missing, or somebody else's.
        AlreadyFinished: It has ended otherwise. Canceling twice is no error.
    """
    canceled = await predictions.cancel(session, user_id, prediction_id)
    if canceled is not None:
        return canceled
    found = await get(session, user_id, prediction_id)
    if found.status is not Status.CANCELED:
        raise AlreadyFinished(f"The prediction has {found.status} already.")
    return found


def _accepted(submission: Submission, item: NewPrediction, outcome: Outcome) -> Prediction:
    return Prediction(
        id=item.id,
        user_id=submission.user_id,
        model=item.model,
        version=item.version,
        status=Status.QUEUED,
        input=item.input,
        output=None,
        error=None,
        cost=item.cost,
        source=submission.source,
        batch_id=submission.batch_id,
        worker_id=None,
        attempts=0,
        predict_ms=None,
        deadline_at=None
        if submission.deadline_s is None
        else outcome.created_at + timedelta(seconds=submission.deadline_s),
        created_at=outcome.created_at,
        started_at=None,
        finished_at=None,
    )


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"location": "input", "message": message}])
