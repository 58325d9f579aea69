"""Submitting predictions: validate, price, commit. Every edge's requests go this way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from msgspec.structs import replace

from ml_service.domain.credentials import Principal
from ml_service.domain.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    NotFound,
    ServiceError,
)
from ml_service.domain.ids import new_id
from ml_service.domain.models import full_name
from ml_service.domain.predictions import Prediction, Source, Status
from ml_service.domain.submissions import (
    Decision,
    ModelInput,
    Outcome,
    Submission,
    SubmissionItem,
    SubmitRequest,
    is_same_request,
)
from ml_service.storage import batches, idempotency, predictions
from ml_service.storage.database import Database, Session
from ml_service.usecases.admission import Admission
from ml_service.usecases.group_commit import GroupCommit
from ml_service.usecases.inputs import encode_input
from ml_service.usecases.models import Catalog
from ml_service.usecases.predictions import get as get_prediction
from ml_service.usecases.refusals import refusal


@dataclass(frozen=True, slots=True)
class SubmitLimits:
    """What one request and one user may ask for; each is a setting of the same name."""

    input_bytes_max: int
    batch_items_max: int
    open_predictions_per_user_max: int
    deadline_s_max: float


class Submitter:
    """Submits requests for predictions. One for all edges of a process."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        commits: GroupCommit,
        admission: Admission,
        limits: SubmitLimits,
        default_model: str,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._commits = commits
        self._admission = admission
        self._limits = limits
        self._default_model = default_model

    async def submit(self, principal: Principal, request: SubmitRequest) -> Outcome:
        """Accept one prediction, or a batch as a whole. When this returns, it is committed.

        A known Idempotency-Key is answered before the load, the input, the price or a missing model can refuse it. The
        predictions of a batch that is answered so come without their texts.

        Raises:
            Unauthenticated: The sign-in has ended, or the user is gone; nothing was accepted.
            InvalidInput, ModelNotFound, ModelDisabled, Overloaded, Blocked: Nothing was accepted.
            InsufficientCredits, TooManyQueued: Nothing was accepted.
            ScopeMissing, ModelNotAllowed, KeyCapExceeded: The API key does not allow it; nothing was accepted.
            IdempotencyKeyReused: The key stood for a different request.
            DatabaseUnavailable: Nothing was accepted, unless the connection broke at the commit: repeat with a key.
        """
        try:
            submission = await self._prepare(principal, request)
        except ServiceError:
            replay = await self._find_replay(principal, request)
            if replay is None:
                raise
            return await self._replayed(principal, request, replay)
        outcome = await self._commits.submit(submission)
        if outcome.decision is Decision.ACCEPTED:
            self._admission.accepted(len(submission.items))
            accepted = tuple(_accepted(submission, item, outcome) for item in submission.items)
            return replace(outcome, predictions=accepted)
        if outcome.decision is Decision.REPLAYED:
            return await self._replayed(principal, request, outcome)
        raise refusal(submission, outcome)

    async def find(self, principal: Principal, key: str) -> Outcome | None:
        """What was accepted with this Idempotency-Key, whatever it meant, without its predictions; or None."""
        async with self._database.autocommit() as session:
            return await idempotency.find_replay(session, principal, key)

    async def with_predictions(self, principal: Principal, found: Outcome) -> Outcome:
        """What `find` has found, with its predictions as they are now: all of a batch or a bulk job.

        Those of a batch come without their texts. There are none where retention has deleted them.
        """
        async with self._database.autocommit() as session:
            return await _with_predictions(session, principal, found)

    async def repeat(self, principal: Principal, prediction_id: UUID, source: Source, key: str | None) -> Outcome:
        """Ask for a user's prediction again, at today's price.

        It is asked of the version that it was of while a worker serves it, and else of the default one.

        Raises:
            NotFound: It is missing, or another user's.
            InvalidInput: Its input is no longer kept, or the default version does not take it.
            Others: As `submit`.
        """
        request = SubmitRequest((), source, key=key, repeats=prediction_id)
        replay = await self._find_replay(principal, request)
        if replay is not None:
            return await self._replayed(principal, request, replay)
        async with self._database.autocommit() as session:
            earlier = await get_prediction(session, principal.user_id, prediction_id)
        if earlier.is_erased:
            raise InvalidInput("The input of this prediction is no longer kept.")
        value = orjson.loads(earlier.input)
        live = {one.spec.version for one in self._catalog.versions(earlier.model) if one.is_live}
        model = full_name(earlier.model, earlier.version) if earlier.version in live else earlier.model
        return await self.submit(principal, replace(request, items=(ModelInput(model, value),)))

    async def price(self, request: SubmitRequest) -> tuple[SubmissionItem, ...]:
        """Check and price what is asked, as `submit` would; nothing is accepted.

        Raises:
            InvalidInput, ModelNotFound, ModelDisabled: It would not be accepted either.
        """
        if not 1 <= len(request.items) <= (self._limits.batch_items_max if request.is_batch else 1):
            raise InvalidInput(f"A batch has 1 to {self._limits.batch_items_max} items.")
        if request.deadline_s is not None and not 0 < request.deadline_s <= self._limits.deadline_s_max:
            raise InvalidInput(f"deadline_s must be between 0 and {self._limits.deadline_s_max:g} seconds.")
        items = []
        errors: list[dict[str, Any]] = []
        for place, asked in enumerate(request.items):
            try:
                items.append(await self._price_one(asked))
            except InvalidInput as error:
                at = f"items.{place}." if request.is_batch else ""
                errors += [{**one, "location": at + one["location"]} for one in error.details["errors"]]
        if errors:
            raise InvalidInput(errors[0]["message"] if len(errors) == 1 else "The input is not valid.", errors=errors)
        return tuple(items)

    async def _prepare(self, principal: Principal, request: SubmitRequest) -> Submission:
        self._admission.admit(len(request.items))
        return Submission(
            principal=principal,
            source=request.source,
            items=await self.price(request),
            batch_id=new_id() if request.is_batch else None,
            key=request.key,
            fingerprint=b"" if request.key is None else request.fingerprint(self._default_model),
            deadline_s=request.deadline_s,
            open_max=self._limits.open_predictions_per_user_max,
            notify=request.notify,
            chat_id=request.chat_id,
            webhook=request.webhook,
        )

    async def _price_one(self, asked: ModelInput) -> SubmissionItem:
        encoded = encode_input(asked.input, self._limits.input_bytes_max)
        listed = await self._catalog.check(self._default_model if asked.model is None else asked.model, asked.input)
        spec = listed.spec
        return SubmissionItem(
            id=new_id(),
            model=spec.name,
            version=spec.version,
            pool=spec.pool,
            cost=listed.price_credits,
            input=encoded,
        )

    async def _find_replay(self, principal: Principal, request: SubmitRequest) -> Outcome | None:
        if request.key is None:
            return None
        async with self._database.autocommit() as session:
            return await idempotency.find_replay(session, principal, request.key)

    async def _replayed(self, principal: Principal, request: SubmitRequest, outcome: Outcome) -> Outcome:
        if not _is_same(request, outcome, self._default_model):
            raise IdempotencyKeyReused("This Idempotency-Key came with a different request before.")
        async with self._database.autocommit() as session:
            found = await _with_predictions(session, principal, outcome)
        if not found.predictions:
            raise NotFound("What was accepted with this Idempotency-Key is no longer kept.")
        return found


async def _with_predictions(session: Session, principal: Principal, outcome: Outcome) -> Outcome:
    """What was accepted before, with its predictions as they are now."""
    if outcome.replayed_batch_id is not None:
        found = await batches.without_texts(session, principal.user_id, outcome.replayed_batch_id)
    else:
        assert outcome.replayed_id is not None  # noqa: S101  the column is NOT NULL
        found = list((await predictions.get_many(session, [outcome.replayed_id])).values())
    return replace(outcome, predictions=tuple(found))


def _is_same(request: SubmitRequest, outcome: Outcome, default_model: str) -> bool:
    try:
        return is_same_request(outcome.replayed_fingerprint or b"", request.fingerprint(default_model))
    except orjson.JSONEncodeError:
        return False  # it cannot be stored, so it was never accepted


def _accepted(submission: Submission, item: SubmissionItem, outcome: Outcome) -> Prediction:
    return Prediction(
        id=item.id,
        user_id=submission.principal.user_id,
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
        key_id=submission.principal.key_id,
    )
