"""`ml-service bulk`: bulk jobs of everybody."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from ml_service.cli.common import Reason, an_id, begin, command, database_of, new_table, out, whole
from ml_service.domain.bulk import BulkJob
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.storage import bulk_jobs
from ml_service.usecases import admin
from ml_service.usecases.admin import OPERATOR

app = typer.Typer(help="List or cancel bulk jobs.", no_args_is_help=True)

LIST_MAX = 10_000


@app.command("list")
@command
async def list_(limit: Annotated[int, typer.Option(**whole(1, LIST_MAX))] = 100) -> None:
    """List unfinished bulk jobs, the oldest first."""
    async with begin() as session:
        jobs = await bulk_jobs.open_jobs(session, limit)
    if not jobs:
        out.print("There are no unfinished bulk jobs.")
        return
    table = new_table("id", "since", "user", "model", "status", "lines", "ended", "left")
    for job in jobs:
        table.add_row(*_row(job))
    out.print(table)


def _row(job: BulkJob) -> list[str]:
    ended = job.succeeded + job.failed + job.canceled
    left = "?" if job.estimated_s is None else f"{job.estimated_s:.0f} s"
    model = f"{job.model}@{job.version}"
    since = f"{job.created_at:%Y-%m-%d %H:%M:%S}"
    return [str(job.id), since, str(job.user_id), model, job.status, str(job.lines), str(ended), left]


@app.command()
@command
async def cancel(
    bulk_id: Annotated[UUID, typer.Argument(**an_id())],
    *,
    reason: Reason,
) -> None:
    """Cancel anybody's bulk job: what has succeeded stays, and is paid; the rest is given back."""
    async with database_of(read_settings(CommonSettings)) as database:
        job = await admin.cancel_bulk_job(database, OPERATOR, bulk_id, reason=reason)
    out.print(f"{job.id} is canceled: {job.succeeded} of {job.lines} lines had succeeded; the rest is given back.")
