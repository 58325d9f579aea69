"""Bulk jobs: files of many lines, streamed in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import orjson
from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from ml_service.domain.bulk import BulkJob, LineResult
from ml_service.domain.errors import (
    AlreadyFinished,
    Blocked,
    DatabaseUnavailable,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    KeyCapExceeded,
    MaxCreditsExceeded,
    ModelDisabled,
    ModelNotAllowed,
    ModelNotFound,
    NotFound,
    Overloaded,
    TooManyQueued,
    TooManyRequests,
)
from ml_service.domain.ledger import CREDITS_MAX
from ml_service.domain.predictions import Source
from ml_service.domain.spreadsheets import rows_as_csv
from ml_service.storage import bulk_jobs
from ml_service.storage.history import LAST_ID
from ml_service.usecases import bulk, bulk_results
from ml_service.usecases.bulk import BulkOrder
from ml_service.usecases.bulk_reading import Parse
from ml_service.usecases.bulk_results import ResultRow
from services.app.api import cursors, exports
from services.app.api.idempotency import IdempotencyKey, key_of
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.problems import BODY_REFUSED, KEYED, problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.bulk import BulkJobs, ShownBulkJob
from services.app.auth.principal import BulkUser
from services.app.components import AppComponents, components_of
from services.app.http import bodies, uploads

router = APIRouter(tags=["bulk"], route_class=KnownQueryRoute)

_KINDS: dict[str, Literal["jsonl", "csv"]] = {
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "text/csv": "csv",
}
_TEXT = {"schema": {"type": "string"}}
_BODY = {
    "required": True,
    "content": {
        "application/x-ndjson": {**_TEXT, "example": '{"text": "good"}\n{"id": "my-7", "input": {"text": "bad"}}\n'},
        "text/csv": {**_TEXT, "example": "text\ngood\nbad\n"},
    },
}
_FEATURES_MAX = 50
"""Columns of a CSV that an output's properties get."""


@router.post(
    "/bulk",
    summary="Submit a bulk job",
    status_code=202,
    response_model=ShownBulkJob,
    openapi_extra={"requestBody": _BODY},
    responses={
        202: {
            "description": "All of it was read, and the price of all valid lines is held.",
            "headers": {"Location": {"description": "Where the job is.", "schema": {"type": "string"}}},
        },
        **problems(
            *BODY_REFUSED,
            *KEYED,
            Blocked,
            InsufficientCredits,
            MaxCreditsExceeded,
            KeyCapExceeded,
            ModelNotAllowed,
            ModelNotFound,
            ModelDisabled,
            InvalidInput,
            IdempotencyKeyReused,
            TooManyQueued,
            TooManyRequests,
            Overloaded,
            DatabaseUnavailable,
        ),
    },
)
async def submit(
    request: Request,
    current: BulkUser,
    model: Annotated[
        str | None, Query(description="A name or `name@version`; by default the default model.", max_length=200)
    ] = None,
    column: Annotated[
        str | None, Query(description="Of a CSV: the column that is the text.", min_length=1, max_length=200)
    ] = None,
    max_credits: Annotated[
        int | None, Query(description="Accept it only if all of it costs no more.", ge=0, le=CREDITS_MAX)
    ] = None,
    _key: IdempotencyKey = None,
) -> Response:
    """Send a file of many inputs: JSON lines, each an input or `{"id": "my-7", "input": {…}}`, or CSV, both in UTF-8.

    It is checked line by line as it comes. Lines that the model does not take are free, and named in the results. The
    credits for all others are held at the start, or nothing is accepted. In a CSV, columns that are named like the
    model's fields are those fields; else one column is the text.
    """
    components = components_of(request)
    kind = _KINDS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if kind is None:
        detail = "Send the file as Content-Type: application/x-ndjson or text/csv."
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    principal = current.principal
    source = Source.WEB if principal.is_page else Source.API
    order = BulkOrder(source, kind, model, column, key_of(request.scope), max_credits=max_credits)
    settings = components.settings
    pieces = uploads.pieces(
        request,
        bytes_max=settings.bulk_bytes_max,
        bytes_per_s_min=settings.bulk_bytes_per_s_min,
        seconds_max=settings.bulk_receive_s_max,
    )
    with components.uploads_in_flight.hold(current.user.id, 1):
        received = await components.bulk.receive(principal, order, pieces, _parser(components))
    headers = {"Location": f"/bulk/{received.job.id}"}
    if received.is_replay:
        headers["Idempotent-Replayed"] = "true"
    else:
        components.live_changes.tell([current.user.id])
        components.metrics.bulk_accepted(received.job)
    return _shown(received.job, HTTPStatus.ACCEPTED, headers)


@router.get(
    "/bulk",
    summary="List bulk jobs",
    response_model=BulkJobs,
    responses=problems(*KEYED, InvalidInput, DatabaseUnavailable),
)
async def list_jobs(request: Request, current: BulkUser, limit: Limit = 50, cursor: Cursor = None) -> BulkJobs:
    """One's own bulk jobs, newest first."""
    components = components_of(request)
    size = checked_limit(limit, components.settings.page_size_max)
    before = cursors.to_uuid(cursor) or LAST_ID
    async with components.database.autocommit() as session:
        found = await bulk_jobs.list_of(session, current.user.id, before, size + 1)
    following = found[size - 1].id if len(found) > size else None
    return BulkJobs(items=[ShownBulkJob.of(job) for job in found[:size]], next_cursor=cursors.of_uuid(following))


@router.get(
    "/bulk/{bulk_id}",
    summary="Show a bulk job",
    response_model=ShownBulkJob,
    responses=problems(*KEYED, NotFound, InvalidInput, DatabaseUnavailable),
)
async def show(request: Request, current: BulkUser, bulk_id: UUID) -> Response:
    """How far a job is, and what it has cost."""
    async with components_of(request).database.autocommit() as session:
        return _shown(await bulk.get(session, current.user.id, bulk_id))


@router.post(
    "/bulk/{bulk_id}/cancel",
    summary="Cancel a bulk job",
    response_model=ShownBulkJob,
    responses=problems(*KEYED, NotFound, AlreadyFinished, InvalidInput, DatabaseUnavailable),
)
async def cancel(request: Request, current: BulkUser, bulk_id: UUID) -> Response:
    """End what has not ended, and get its credits back; what has succeeded stays, and is paid. Twice is no error."""
    components = components_of(request)
    job = await components.bulk.cancel(current.user.id, bulk_id, key_id=current.principal.key_id)
    components.live_changes.tell([current.user.id])
    return _shown(job)


@router.get(
    "/bulk/{bulk_id}/results",
    summary="Download the results of a bulk job",
    response_class=Response,
    responses={
        200: {
            "description": "A line for each line of the file, in its order: with `line`, `id`, `status`, `output`, "
            "`error` and `cost`. Lines that have not ended are `queued` or `processing`, those that the model does not "
            "take `invalid`. Where texts are no longer kept, `output` is null, and in CSV `text` is empty.",
            "content": {"application/x-ndjson": _TEXT, "text/csv": _TEXT},
        },
        **problems(*KEYED, NotFound, InvalidInput, TooManyRequests, Overloaded, DatabaseUnavailable),
    },
)
async def results(
    request: Request,
    current: BulkUser,
    bulk_id: UUID,
    kind: Annotated[Literal["jsonl", "csv"], Query(alias="format")] = "jsonl",
) -> Response:
    """What became of each line, at any time: before the end, what there is."""
    components = components_of(request)
    async with components.database.autocommit() as session:
        job = await bulk.get(session, current.user.id, bulk_id)
    reader = exports.ExportReader(components, current)
    rows = bulk_results.results(components.database, job, reader.admit, with_inputs=kind == "csv")
    pieces = _as_csv(rows, _properties(components, job)) if kind == "csv" else _as_jsonl(rows)
    return exports.file(reader, f"results-{str(bulk_id)[:8]}", kind, pieces)


def encode(job: BulkJob) -> str:
    """A job as it is shown, in JSON."""
    return ShownBulkJob.of(job).model_dump_json()


def _shown(job: BulkJob, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(job), status.value, headers, "application/json")


def _parser(components: AppComponents) -> Parse:
    settings = components.settings

    def parse(line: bytes) -> Any:
        refused = bodies.refusal(line, depth_max=settings.json_depth_max, values_max=settings.json_values_max)
        if refused:
            raise ValueError(refused.rstrip("."))
        return bodies.parse(line)

    return parse


async def _as_jsonl(rows: AsyncIterator[list[ResultRow]]) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    async for some in rows:
        yield b"".join(encoder.encode(_line(row.result)) + b"\n" for row in some)


def _line(result: LineResult) -> dict[str, Any]:
    return {
        "line": result.line,
        "id": result.ref,
        "status": result.status,
        "output": None if result.output is None else msgspec.Raw(result.output.encode()),
        "error": None if result.error is None else {"code": result.error.code, "message": result.error.message},
        "cost": result.cost,
    }


def _properties(components: AppComponents, job: BulkJob) -> list[str]:
    """The properties of the version's outputs, each a column; none where they are not known."""
    specs = [one.spec for one in components.catalog.versions(job.model) if one.spec.version == job.version]
    found = specs[0].output_schema.get("properties") if specs else None
    return [str(name) for name in found][:_FEATURES_MAX] if isinstance(found, dict) else []


async def _as_csv(rows: AsyncIterator[list[ResultRow]], names: list[str]) -> AsyncIterator[bytes]:
    """A line a row: its text, and the output's properties in columns of their own."""
    outputs = [f"output.{name}" for name in names] or ["output"]
    header = ["line", "id", "text", "status", *outputs, "error_code", "error_message", "cost"]
    yield exports.BYTE_ORDER_MARK + rows_as_csv([header])
    async for some in rows:
        yield rows_as_csv(_row(row, names) for row in some)


def _row(row: ResultRow, names: list[str]) -> list[Any]:
    result = row.result
    given = None if row.input is None else orjson.loads(row.input)
    text = given.get("text") if isinstance(given, dict) else None
    outputs: list[Any] = [result.output]
    if names:
        value = None if result.output is None else orjson.loads(result.output)
        outputs = [_cell(value.get(name)) if isinstance(value, dict) else None for name in names]
    error = (None, None) if result.error is None else (result.error.code, result.error.message)
    shown = text if isinstance(text, str) else row.input
    return [result.line, result.ref, shown, result.status, *outputs, *error, result.cost]


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value
