"""Submitting predictions from a chat: the same use case as the API's, and "accepted" at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from ml_service.domain.bulk import BulkJob
from ml_service.domain.credentials import Principal
from ml_service.domain.models import ModelSpec, full_name
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import ModelInput, Outcome, SubmitRequest
from ml_service.storage import bulk_jobs, chat_deliveries
from ml_service.storage.chat_deliveries import ChatDelivery
from ml_service.usecases import ledger, telegram
from ml_service.usecases import workers as workers_usecase
from ml_service.usecases.bulk import BulkOrder
from services.bot import schema_errors
from services.bot.failures import ChatGone
from services.bot.talk import Talk
from services.bot.views import answers
from services.bot.views.view import View

LINES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ConfirmedBatch:
    """A batch that the person has said yes to, under the message with that question.

    Attributes:
        key: Names the question: the Idempotency-Key of the batch.
        message_id: The person's message with the texts.
    """

    key: str
    message_id: int | None


async def submit(
    talk: Talk,
    model: str,
    inputs: Sequence[dict[str, Any]],
    *,
    batch: ConfirmedBatch | None = None,
    key: str | None = None,
) -> None:
    """Submit, say "accepted", and owe the answer. However often this is repeated, it is submitted and paid for once.

    Raises:
        ServiceError: Nothing was accepted.
        Later, ChatGone: It was accepted; the answer is owed all the same.
    """
    ahead = await talk.deps.backlog.open()
    outcome = await talk.deps.submitter.submit(
        Principal(talk.chat.user_id),
        SubmitRequest(
            tuple(ModelInput(model, value) for value in inputs),
            Source.TELEGRAM,
            is_batch=batch is not None,
            key=batch.key if batch else key or talk.key,
            chat_id=talk.chat.chat_id,
        ),
    )
    await _follow(talk, outcome, ahead, batch)


async def resume(talk: Talk, key: str, batch: ConfirmedBatch | None = None) -> bool:
    """Go on with what was accepted with this key before; False where nothing was.

    An update that is put off after its request was accepted is handled again. The price, the schema or the model may
    have changed since: so this comes before anything is judged by them. "Accepted" is said where it was not yet.

    Raises:
        Later, ChatGone: As `submit`.
    """
    principal = Principal(talk.chat.user_id)
    outcome = await talk.deps.submitter.find(principal, key)
    if outcome is None:
        return False
    talk.dialog = None
    job = None
    if outcome.replayed_batch_id is not None:
        async with talk.deps.database.autocommit() as session:
            job = await bulk_jobs.get(session, principal.user_id, outcome.replayed_batch_id)
    if job is None:  # else its predictions, as many as its lines, are not read
        outcome = await talk.deps.submitter.with_predictions(principal, outcome)
        await _follow(talk, outcome, await talk.deps.backlog.open(), batch)
    else:
        await _follow_job(talk, job, batch)
    return True


async def _follow(talk: Talk, outcome: Outcome, ahead: int, batch: ConfirmedBatch | None) -> None:
    """Owe the answer, and say "accepted"."""
    if not outcome.predictions:
        return  # a repetition so late that retention has deleted what was submitted
    first = outcome.predictions[0]
    delivery = await _owe(talk, first.batch_id or first.id, first.user_id, batch)
    await _show(talk, delivery, lambda: _accepted(talk, outcome, ahead), is_batch=batch is not None)


async def submit_checked(talk: Talk, spec: ModelSpec, value: dict[str, Any]) -> None:
    """Submit one input, or say what is wrong with it; raises as `submit`."""
    if wrong := schema_errors.explain(talk.t, spec, value):
        await talk.say(talk.t("error-invalid_input", message="; ".join(wrong)), reply=True)
        return
    await submit(talk, spec.name, [value])


async def submit_file(talk: Talk, model: str, inputs: Sequence[dict[str, Any]], batch: ConfirmedBatch) -> None:
    """Submit more inputs than a batch takes, as a bulk job; else as `submit`."""
    order = BulkOrder(Source.TELEGRAM, "jsonl", model, key=batch.key, chat_id=talk.chat.chat_id)
    accepted = await talk.deps.bulk.receive(Principal(talk.chat.user_id), order, _lines(inputs), orjson.loads)
    await _follow_job(talk, accepted.job, batch)


async def _follow_job(talk: Talk, job: BulkJob, batch: ConfirmedBatch | None) -> None:
    """As `_follow`, of a bulk job."""
    delivery = await _owe(talk, job.id, job.user_id, batch)

    async def view() -> View:
        async with talk.deps.database.autocommit() as session:
            has = await ledger.balance(session, job.user_id)
        count = job.lines - job.lines_invalid
        return answers.accepted_batch(talk.t, job.id, cost=job.cost_max, balance=has.balance, count=count)

    await _show(talk, delivery, view, is_batch=True)


async def _lines(inputs: Sequence[dict[str, Any]]) -> AsyncIterator[bytes]:
    """The inputs as JSON lines, some at a time."""
    for start in range(0, len(inputs), LINES_AT_ONCE):
        yield b"".join(orjson.dumps({"input": one}) + b"\n" for one in inputs[start : start + LINES_AT_ONCE])


async def _show(talk: Talk, delivery: ChatDelivery, view: Callable[[], Awaitable[View]], *, is_batch: bool) -> None:
    """Say "accepted", and let the answer follow."""
    if delivery.is_delivered or delivery.message_id is not None:
        return  # a repetition: the person has seen it
    talk.holding.add(delivery.id)
    if talk.group_id is not None:  # there the answer alone is a message
        await _release(talk, delivery.id, None)
        return
    try:
        shown = await (talk.show(await view()) if is_batch else talk.say(await view(), reply=True))
    except ChatGone:
        await _release(talk, delivery.id, None)
        raise
    await _release(talk, delivery.id, shown)


async def _owe(talk: Talk, subject_id: UUID, user_id: UUID, batch: ConfirmedBatch | None) -> ChatDelivery:
    reply_to = batch.message_id if batch else None if talk.query_id else talk.message_id
    async with talk.deps.database.autocommit() as session:
        return await chat_deliveries.add(
            session,
            subject_id,
            user_id,
            talk.chat.chat_id,
            reply_to,
            talk.thread_id,
            is_batch=batch is not None,
            group_id=talk.group_id,
        )


async def _release(talk: Talk, delivery_id: int, message_id: int | None) -> None:
    async with talk.deps.database.autocommit() as session:
        await chat_deliveries.let_go(session, delivery_id, message_id)
    talk.holding.discard(delivery_id)
    talk.deps.answered.set()


async def _accepted(talk: Talk, outcome: Outcome, ahead: int) -> View:
    first = outcome.predictions[0]
    cost = sum(one.cost for one in outcome.predictions)
    if first.batch_id is not None:
        return answers.accepted_batch(
            talk.t, first.batch_id, cost=cost, balance=outcome.balance, count=len(outcome.predictions)
        )
    batch_size = talk.deps.catalog.batch_size(first.model, first.version or "")
    running = full_name(first.model, first.version or "")
    async with talk.deps.database.autocommit() as session:
        # The catalog's mark may be a second old; this is read now.
        live = sum(worker.is_alive and running in worker.models for worker in await workers_usecase.list_live(session))
        seconds = None
        if live:
            seconds = await telegram.wait_s(session, first.model, ahead=ahead, workers=live, batch_size=batch_size)
    return answers.accepted(talk.t, first.id, cost=cost, balance=outcome.balance, seconds=seconds)
