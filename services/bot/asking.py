"""Asking for predictions from a chat: the same use case as the API's, and "accepted" at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ml_service.domain.errors import Overloaded
from ml_service.domain.predictions import Source
from ml_service.storage import telegram_work
from ml_service.usecases import telegram
from ml_service.usecases import workers as workers_usecase
from ml_service.usecases.predictions import Ask, Asked
from ml_service.usecases.workers import Overview
from services.bot.sender import ChatGone
from services.bot.talk import Talk
from services.bot.views import answers
from services.bot.views.view import View


async def ask(
    talk: Talk, model: str, inputs: Sequence[dict[str, Any]], *, is_batch: bool = False, key: str | None = None
) -> None:
    """Ask, say "accepted", and owe the answer. However often this is repeated, it is asked and paid for once.

    Raises:
        ServiceError: Nothing was accepted.
        Later, ChatGone: It was accepted; the answer is owed all the same.
    """
    async with talk.parts.database.autocommit() as session:
        overview = await workers_usecase.overview(session)
    if overview.open + len(inputs) > talk.parts.settings.queued_predictions_max:
        raise Overloaded("The queue is full.", retry_after_s=5.0)
    asked = await talk.parts.predictor.ask(
        talk.chat.user_id,
        [Ask(model, value) for value in inputs],
        source=Source.TELEGRAM,
        is_batch=is_batch,
        key=key or talk.key,
    )
    owed_id = asked.batch_id or asked.predictions[0].id
    async with talk.parts.database.autocommit() as session:
        reply_to = None if talk.query_id else talk.message_id
        owed = await telegram_work.owe(session, owed_id, talk.chat.chat_id, reply_to, is_batch=is_batch)
    if owed.is_notified or owed.message_id is not None:
        return  # a repetition: the person has seen it
    talk.holding.add(owed_id)
    try:
        shown = await talk.say(await _accepted(talk, asked, owed_id, overview), reply=True)
    except ChatGone:
        await _shown(talk, owed_id, None)
        raise
    await _shown(talk, owed_id, shown)


async def _shown(talk: Talk, owed_id: UUID, message_id: int | None) -> None:
    async with talk.parts.database.autocommit() as session:
        await telegram_work.accepted_shown(session, owed_id, message_id)
    talk.holding.discard(owed_id)
    talk.parts.answered.set()


async def _accepted(talk: Talk, asked: Asked, owed_id: UUID, overview: Overview) -> View:
    first = asked.predictions[0]
    cost = sum(one.cost for one in asked.predictions)
    if asked.batch_id is not None:
        return answers.accepted(
            talk.t, owed_id, cost=cost, balance=asked.balance, seconds=None, count=len(asked.predictions)
        )
    listed = await talk.listed(first.model)
    # The catalog's mark may be a second old; this was read just now.
    live = sum(worker.is_alive and first.model in worker.models for worker in overview.workers)
    seconds = None
    if live:
        async with talk.parts.database.autocommit() as session:
            seconds = await telegram.wait_s(session, first.model, workers=live, batch_size=listed.spec.batch_size)
    return answers.accepted(talk.t, owed_id, cost=cost, balance=asked.balance, seconds=seconds)
