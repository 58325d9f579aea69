"""`ml-service dead`: task messages that nobody could work on."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from ml_service.cli.common import command, out, queue_of
from ml_service.domain.errors import NotFound
from ml_service.settings import read_settings

app = typer.Typer(help="List, show, replay or discard dead letters.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(help="Ids as `list` shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="All dead letters.")]


@app.command("list")
@command
async def list_(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100) -> None:
    """List the oldest dead letters; they stay where they are."""
    async with queue_of(read_settings("app")) as queue:
        letters = await queue.dead_letters(limit)
    if not letters:
        out.print("There are no dead letters.")
        return
    table = Table("id", "since", "model", "predictions", "reason")
    for letter in letters:
        since = f"{letter.since:%Y-%m-%d %H:%M:%S}" if letter.since else "?"
        model, count = (letter.message.model, str(len(letter.message.ids))) if letter.message else ("?", "?")
        table.add_row(letter.id, since, model, count, letter.reason)
    out.print(table)


@app.command()
@command
async def show(letter_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one dead letter as it came."""
    async with queue_of(read_settings("app")) as queue:
        letters = await queue.dead_letters(10_000)
    for letter in letters:
        if letter.id == letter_id:
            out.print(f"reason: {letter.reason}")
            out.print(letter.body, markup=False)
            return
    raise NotFound(f"There is no dead letter {letter_id}.")


def _chosen(ids: list[str] | None, everything: bool) -> list[str] | None:  # noqa: FBT001  typer hands it over so
    if bool(ids) == everything:
        raise typer.BadParameter("name ids, or --all")
    return ids or None


@app.command()
@command
async def replay(ids: Ids = None, *, everything: Everything = False) -> None:
    """Send dead letters to their queue again; what has been answered meanwhile is not answered twice."""
    chosen = _chosen(ids, everything)
    async with queue_of(read_settings("app")) as queue:
        out.print(f"Replayed: {await queue.replay_dead(chosen)}")


@app.command()
@command
async def discard(ids: Ids = None, *, everything: Everything = False) -> None:
    """Delete dead letters. Predictions that are open are sent again by the sweep all the same."""
    chosen = _chosen(ids, everything)
    async with queue_of(read_settings("app")) as queue:
        out.print(f"Discarded: {await queue.discard_dead(chosen)}")
