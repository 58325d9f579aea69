"""All that is kept of an account, as lines of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from ml_service.domain.bulk import BulkJob
from ml_service.domain.credentials import ApiKey
from ml_service.storage import api_keys, bulk_jobs
from ml_service.storage.database import Session
from ml_service.storage.history import LAST_ID, HistoryFilter
from ml_service.usecases import account, bulk_results, ledger, predictions, webhooks
from services.app.api import prediction_json
from services.app.api.exports import ExportReader
from services.app.api.schemas.account import SignIn
from services.app.api.schemas.api_keys import ShownKey
from services.app.api.schemas.bulk import ShownBulkJob
from services.app.api.schemas.ledger import Transaction
from services.app.api.schemas.users import User
from services.app.api.schemas.webhooks import Delivery, Webhook
from services.app.auth.callers import SignedIn
from services.app.components import AppComponents

Listed = TypeVar("Listed", ApiKey, BulkJob)
TYPES = (
    "user",
    "session",
    "telegram_chat",
    "webhook",
    "api_key",
    "webhook_delivery",
    "bulk_job",
    "bulk_line",
    "prediction",
    "transaction",
)
ROWS = 100
"""Keys, messages to webhooks, and bulk jobs, read at once."""


async def head(components: AppComponents, current: SignedIn) -> bytes:
    """The account, its sign-ins, chats and webhooks: few, and read before the answer begins."""
    async with components.database.autocommit() as session:
        sign_ins = await account.sign_ins(session, current.user, current.session_id)
        chats = await account.chats_of(session, current.user)
        hooks = await webhooks.list_of(session, current.user.id)
    return b"".join(
        [
            _line("user", User.of(current.user).model_dump()),
            *(_line("session", SignIn.of(one, current.session_id).model_dump()) for one in sign_ins),
            *(_line("telegram_chat", {"chat_id": one}) for one in chats),
            *(_line("webhook", Webhook.of(one).model_dump()) for one in hooks),
        ]
    )


async def pieces(
    components: AppComponents, current: SignedIn, reader: ExportReader, begun: bytes
) -> AsyncIterator[bytes]:
    """All lines, some at a time, after those that are ``begun``."""
    database, user_id = components.database, current.user.id
    yield begun
    for some in (_keys, _deliveries, _bulk_jobs):
        async for piece in some(components, current, reader):
            yield piece
    async for found in predictions.export(database, user_id, HistoryFilter(), reader.admit):
        yield b"".join(_line("prediction", prediction_json.shown(one)) for one in found)
    async for lines in ledger.export(database, user_id, None, reader.admit):
        yield b"".join(_line("transaction", Transaction.of(one).model_dump()) for one in lines)


async def _pages(
    components: AppComponents,
    current: SignedIn,
    reader: ExportReader,
    read: Callable[[Session, UUID, UUID, int], Awaitable[list[Listed]]],
) -> AsyncIterator[list[Listed]]:
    """All of the user's rows that ``read`` lists before an id, some at a time."""
    before = LAST_ID
    while True:
        await reader.admit()
        async with components.database.autocommit() as session:
            found = await read(session, current.user.id, before, ROWS)
        if not found:
            return
        before = found[-1].id
        yield found


async def _keys(components: AppComponents, current: SignedIn, reader: ExportReader) -> AsyncIterator[bytes]:
    async with components.database.autocommit() as session:
        await api_keys.count(session, current.user.id)
    async for found in _pages(components, current, reader, api_keys.all_of):
        yield b"".join(
            _line("api_key", ShownKey.of(one).model_dump() | {"revoked_at": one.revoked_at}) for one in found
        )


async def _deliveries(components: AppComponents, current: SignedIn, reader: ExportReader) -> AsyncIterator[bytes]:
    before: int | None = None
    while True:
        await reader.admit()
        async with components.database.autocommit() as session:
            found, before = await webhooks.deliveries(session, current.user.id, None, before=before, limit=ROWS)
        yield b"".join(_line("webhook_delivery", Delivery.of(one).model_dump()) for one in found)
        if before is None:
            return


async def _bulk_jobs(components: AppComponents, current: SignedIn, reader: ExportReader) -> AsyncIterator[bytes]:
    """Each job, and after it those of its lines that have an id of the client's or are invalid."""
    async for jobs in _pages(components, current, reader, bulk_jobs.list_of):
        for job in jobs:
            yield _line("bulk_job", ShownBulkJob.of(job).model_dump())
            async for lines in bulk_results.named_lines(components.database, job, reader.admit):
                yield b"".join(
                    _line(
                        "bulk_line",
                        {
                            "bulk_id": job.id,
                            "line": one.line,
                            "id": one.ref,
                            "error": one.error,
                            "prediction_id": one.prediction_id,
                        },
                    )
                    for one in lines
                )


def _line(kind: str, fields: dict[str, Any]) -> bytes:
    return prediction_json.encode_json({"type": kind, **fields}) + b"\n"
