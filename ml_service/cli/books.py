"""`ml-service audit`: recompute the ledger and compare."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ml_service.cli.common import command, counted, database_of, new_table, out
from ml_service.domain.ledger import in_words
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.usecases import ledger


@command
async def audit(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")] = False
) -> None:
    """Recompute every balance, hold and capture; exit code 1 where anything differs. Changes nothing."""
    async with database_of(read_settings(CommonSettings)) as database, database.begin() as session:
        await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await session.execute("SET LOCAL statement_timeout = 0")
        books = await ledger.audit(session)
    if as_json:
        out.print_json(json.dumps({"clean": books.is_clean, **asdict(books)}))
    else:
        out.print(
            f"{counted(books.users, 'user')}, {counted(books.transactions, 'transaction')}: issued {books.issued}"
            f" = wallets {books.wallets} + held {books.held} + revenue {in_words(books.revenue)}"
        )
        if books.differences:
            table = new_table("rule", "of", "expected", "actual")
            for one in books.differences:
                table.add_row(one.rule, one.subject, str(one.expected), str(one.actual))
            out.print(table)
        out.print(
            "The books are right." if books.is_clean else "The books are wrong.",
            style=None if books.is_clean else "red",
        )
    if not books.is_clean:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(audit)
