"""`ml-service migrate` and `ml-service status`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from ml_service.cli.common import command, database_of, decimal, err, new_table, out, queue_of
from ml_service.domain.errors import ServiceError
from ml_service.domain.models import DEFAULT_POOL
from ml_service.platform.settings.common import CommonSettings, DefaultModelSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.storage import revision
from ml_service.storage.database import UNAVAILABLE
from ml_service.storage.workers import Worker
from ml_service.usecases import workers
from ml_service.usecases.models import Catalog
from ml_service.wiring import check_addresses


@command
async def migrate(
    wait_s: Annotated[
        float, typer.Option(**decimal(0, 86_400), help="Seconds to wait for the database to answer.")
    ] = 30.0,
) -> None:
    """Bring the database to the newest schema; safe to run again, and by several at once."""
    settings = read_settings(CommonSettings)
    check_addresses(settings)
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            before = await revision.current(settings.database_url)
        except UNAVAILABLE as error:
            if not asyncio.get_running_loop().time() <= deadline:  # also where somebody waits for "nan" seconds
                err.print(f"The database does not answer: {error}")
                raise typer.Exit(1) from None
            await asyncio.sleep(0.2)
        else:
            break
    if before == revision.expected():
        out.print(f"The schema is at {before}.")
        return
    if before is not None and before not in revision.known():
        err.print(
            f"The schema is at {before}, this code knows {revision.expected()}: a newer version has used this "
            "database. Update the code, or restore a backup from before."
        )
        raise typer.Exit(1)
    from ml_service.storage.schema import migrate as bring_to_head  # noqa: PLC0415  seconds, where there is work for it

    before, after = await bring_to_head(settings.database_url)
    out.print(f"The schema went from {before or 'nothing'} to {after}.")


@command
async def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the workers, the models, what waits, and why answers may wait."""
    settings = read_settings(DefaultModelSettings)
    async with database_of(settings) as database, queue_of(settings) as queue:
        async with database.autocommit(10) as session:
            state = await workers.overview(session)
        catalog = Catalog(database)
        await catalog.refresh()
        problems = _problems(catalog, settings.default_model, state.workers)
        try:
            depth = asdict(await queue.depth(DEFAULT_POOL))
            dead_letters: int | None = await queue.count_dead()
        except ServiceError as error:
            depth, dead_letters = {"error": error.message}, None
    if as_json:
        known = {"mode": settings.mode, "backend": settings.backend, "queue": depth, "dead_letters": dead_letters}
        out.print_json(json.dumps({**known, "problems": problems, **asdict(state)}, default=str))
        return
    table = new_table("worker", "state", "host", "pid", "models", "since")
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
    for failed in workers.failed_models(state.workers):
        out.print(f"model {failed.name} cannot be loaded ({', '.join(failed.workers)}): {failed.reason}")
    for problem in problems:
        out.print(f"problem: {problem}")
    waiting = depth.get("error") or f"{depth['ready']} messages ready"
    out.print(
        f"queue ({settings.backend}): {waiting}; {state.open} predictions open, {state.unsent} of them not sent yet"
    )
    if dead_letters:
        out.print(f"dead letters: {dead_letters}; see them with `dead list`")


def _problems(catalog: Catalog, default_model: str, live: Sequence[Worker]) -> list[str]:
    """What `/health` calls so, each with its next step; a model that cannot be loaded is told apart from this."""
    failed = {one.reason for one in workers.failed_models(live)}
    return [
        reason if "python3 start.py" in reason else f"{reason} Next: {_next_step(catalog, name, default_model)}"
        for name, reason in catalog.all_unserved(default_model, live).items()
        if reason not in failed
    ]


def _next_step(catalog: Catalog, model: str, default_model: str) -> str:
    name = model.partition("@")[0]
    if any(not one.is_enabled for one in catalog.versions(name)):
        return f"python3 start.py --cli models enable {name}"
    if model == default_model:
        return "python3 start.py --logs worker"
    return f"start a worker that has it, or end the offer: python3 start.py --cli models forget {name}"


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(migrate)
    app.command()(status)
