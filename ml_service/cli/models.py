"""`ml-service models`: what is offered, and whether a model of one's own is right."""

from __future__ import annotations

import typer
from rich.table import Table

from ml_service.cli.common import begin, command, out
from ml_service.usecases import models

app = typer.Typer(help="List the models.", no_args_is_help=True)


@app.command("list")
@command
async def list_() -> None:
    """List every model that a worker has announced."""
    async with begin() as session:
        listed = await models.list_all(session)
    table = Table("model", "version", "price", "workers", "batch", "pool")
    for one in listed:
        spec = one.spec
        table.add_row(
            spec.name, spec.version, str(one.price_credits), str(one.workers), str(spec.batch_size), spec.pool
        )
    out.print(table)
