"""Lists as files: streamed piece by piece, so that a history of millions takes no more memory than a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from ml_service.domain.errors import DatabaseUnavailable, Overloaded, TooManyRequests
from ml_service.domain.predictions import Prediction
from ml_service.domain.spreadsheets import rows_as_csv
from ml_service.usecases.ledger import StatementLine
from ml_service.usecases.users import unauthenticated
from services.app.api import prediction_json
from services.app.auth.callers import Caller
from services.app.auth.principal import is_active
from services.app.components import AppComponents
from services.app.in_flight import Held

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "jsonl": "application/x-ndjson"}
BYTE_ORDER_MARK = "\ufeff".encode()
"""So that Excel reads UTF-8."""
CHECK_S = 1.0
"""How old the last look at sign-in or key may be while an export goes on."""
PIECE_BYTES = 1_000_000
"""What a piece takes: half a megabyte of texts (`predictions.EXPORT_BYTES`), as rows and as what is sent."""
ROOM_S = 0.2
"""How often an export that found no room for a piece looks again."""

PREDICTION_COLUMNS = (
    "id",
    "created_at",
    "finished_at",
    "model",
    "version",
    "status",
    "source",
    "batch_id",
    "cost",
    "charged",
    "predict_ms",
    "total_ms",
    "text",
    "input",
    "output",
    "error_code",
    "error_message",
)
TRANSACTION_COLUMNS = (
    "id", "created_at", "kind", "amount", "change", "balance_after", "prediction_id", "bulk_id", "reason",
)  # fmt: skip


class ExportReader:
    """Who gets an export. Each piece of it is counted among the large answers from before it is read until it is sent.

    So many exports at once do not fill the memory: who finds no room waits for it, without a piece in hand.
    """

    def __init__(self, components: AppComponents, caller: Caller) -> None:
        self.components = components
        self.caller = caller
        self._checked_at = time.monotonic()
        self._held = ExitStack()

    async def admit(self) -> None:
        """Wait until there is room for a piece; to be awaited before each.

        The sign-in or the API key is looked up once a second at most.

        Raises:
            Unauthenticated: It has ended. That breaks the answer off, so that nobody takes a part for the whole.
        """
        self.leave()
        while True:
            if time.monotonic() - self._checked_at >= CHECK_S and not await self._is_active():
                raise unauthenticated()
            try:
                self._held.enter_context(self.components.answers_in_flight.hold(self.caller.user.id, PIECE_BYTES))
            except (TooManyRequests, Overloaded):
                await asyncio.sleep(ROOM_S)
            else:
                return

    def leave(self) -> None:
        """No piece is in hand any more."""
        self._held.close()

    async def _is_active(self) -> bool:
        self._checked_at = time.monotonic()
        try:
            return await is_active(self.components, self.caller)
        except DatabaseUnavailable:
            return True  # the next piece fails by itself

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Counts the export as one of the user's streams meanwhile."""
        with self.components.streams_in_flight.hold(self.caller.user.id, 1):
            try:
                yield
            finally:
                self.leave()


def file(reader: ExportReader, name: str, kind: str, pieces: AsyncIterator[bytes]) -> Response:
    """A download, counted as one of the user's streams while it lasts."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"', "X-Accel-Buffering": "no"}
    return Held(StreamingResponse(pieces, media_type=MEDIA_TYPES[kind], headers=headers), reader.reading())


async def transactions_as_csv(pieces: AsyncIterator[Sequence[StatementLine]]) -> AsyncIterator[bytes]:
    """A transaction a row."""
    yield BYTE_ORDER_MARK + rows_as_csv([TRANSACTION_COLUMNS])
    async for piece in pieces:
        yield rows_as_csv(
            [
                one.id,
                one.created_at,
                one.kind.value,
                one.amount,
                one.change,
                line.balance_after,
                None if one.prediction_id is None else str(one.prediction_id),
                None if one.bulk_id is None else str(one.bulk_id),
                one.reason,
            ]
            for line in piece
            for one in [line.transaction]
        )


async def predictions_as_jsonl(pieces: AsyncIterator[Sequence[Prediction]]) -> AsyncIterator[bytes]:
    """A prediction a line, as `GET /predictions/{prediction_id}` shows it."""
    async for piece in pieces:
        yield b"".join(prediction_json.encode(one) + b"\n" for one in piece)


async def predictions_as_csv(pieces: AsyncIterator[Sequence[Prediction]]) -> AsyncIterator[bytes]:
    """A prediction a row; input and output as JSON, empty where erased, and the input's text in a column of its own."""
    yield BYTE_ORDER_MARK + rows_as_csv([PREDICTION_COLUMNS])
    async for piece in pieces:
        yield rows_as_csv(_row(one) for one in piece)


def _row(one: Prediction) -> list[Any]:
    value = orjson.loads(one.input)
    text = value.get("text") if isinstance(value, dict) else None
    shown = prediction_json.shown(one)
    return [
        str(one.id),
        one.created_at,
        one.finished_at,
        one.model,
        one.version,
        one.status.value,
        one.source.value,
        None if one.batch_id is None else str(one.batch_id),
        one.cost,
        one.charged,
        shown["timings"]["predict_ms"],
        shown["timings"]["total_ms"],
        text if isinstance(text, str) else None,
        None if one.is_erased else one.input,
        None if one.is_erased else one.output,
        None if one.error is None else one.error.code,
        None if one.error is None else one.error.message,
    ]
