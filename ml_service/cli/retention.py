"""`ml-service retention`: what is kept on disk, and for how long."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from ml_service.background.retention import Retention
from ml_service.background.usage_sums import UsageSums
from ml_service.cli.common import command, database_of, new_table, out
from ml_service.platform.settings.common import RetentionSettings
from ml_service.platform.settings.reading import read_settings


@command
async def retention(
    *, run: Annotated[bool, typer.Option("--run", help="Drop and erase now what is too old.")] = False
) -> None:
    """Show the partitions of predictions and how long they are kept; the leading app drops and erases by itself."""
    settings = read_settings(RetentionSettings)
    async with database_of(settings) as database:
        keeper = Retention(database, days=settings.retention_days, text_days=settings.text_retention_days)
        if run:
            await UsageSums(database).sum()  # what is not summed is not dropped
            done = await keeper.retain()
            out.print(f"Dropped: {', '.join(done.dropped) or 'nothing'}. Texts looked at for erasing: {done.erased}.")
        table = new_table("partition", "from", "until", "MB", "unfinished")
        for one in await keeper.partitions():
            table.add_row(one.name, _day(one.since), _day(one.until), f"{one.bytes / 1e6:,.1f}", str(one.open))
    out.print(table)
    out.print(
        f"Predictions are kept {_days(settings.retention_days)} (RETENTION_DAYS), their texts"
        f" {_days(settings.text_retention_days)} (TEXT_RETENTION_DAYS); the ledger is always kept."
    )


def _day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _days(days: int | None) -> str:
    return "without end" if days is None else f"{days} days"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(retention)
