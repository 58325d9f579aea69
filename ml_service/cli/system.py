"""`ml-service migrate` and `ml-service status`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ml_service.cli.common import command, database_of, err, out, queue_of
from ml_service.domain.errors import ServiceError
from ml_service.domain.models import DEFAULT_POOL
from ml_service.settings import read_settings
from ml_service.storage import revision
from ml_service.storage.database import UNAVAILABLE
from ml_service.usecases import workers


@command
async def migrate(
    wait_s: Annotated[float, typer.Option(help="Seconds to wait for the database to answer.")] = 30.0,
) -> None:
    """Bring the database to the newest schema; safe to run again, and by several at once."""
    settings = read_settings("app")
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            before = await revision.current(settings.database_url)
        except UNAVAILABLE as error:
            if asyncio.get_running_loop().time() > deadline:
                err.print(f"The database does not answer: {error}")
                raise typer.Exit(1) from None
            await asyncio.sleep(0.2)
        else:
            break
    if before == revision.expected():
        out.print(f"The schema is at {before}.")
        return
    from ml_service.storage.schema import migrate as bring_to_head  # noqa: PLC0415  seconds, where there is work for it

    before, after = await bring_to_head(settings.database_url)
    out.print(f"The schema went from {before or 'nothing'} to {after}.")


@command
async def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the workers, the models, and what waits."""
    settings = read_settings("app")
    async with database_of(settings) as database, queue_of(settings) as queue:
        async with database.autocommit(10) as session:
            state = await workers.overview(session)
        try:
            depth = asdict(await queue.depth(DEFAULT_POOL))
        except ServiceError as error:
            depth = {"error": error.message}
    if as_json:
        out.print_json(json.dumps({"backend": settings.backend, "queue": depth, **asdict(state)}, default=str))
        return
    table = Table("worker", "state", "host", "pid", "models", "since")
    for worker in state.workers:
        table.add_row(
            worker.id,
            worker.state if worker.is_alive else "silent",
            worker.host,
            str(worker.pid),
            ", ".join(worker.models),
            f"{worker.started_at:%Y-%m-%d %H:%M:%S}",
        )
    out.print(table)
    waiting = depth.get("error") or f"{depth['ready']} messages ready"
    out.print(
        f"queue ({settings.backend}): {waiting}; {state.open} predictions open, {state.unsent} of them not sent yet"
    )


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(migrate)
    app.command()(status)
