"""`ml-service dead`: task messages that no worker could process."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_service.cli.common import command, database_of, new_table, out, queue_of, whole
from ml_service.domain.errors import NotFound
from ml_service.messaging.queue import NO_SUCH_LETTER, Handled
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.usecases import admin
from ml_service.usecases.admin import OPERATOR

app = typer.Typer(help="List, show, replay or discard dead letters.", no_args_is_help=True)

LIST_MAX = 10_000

Ids = Annotated[list[str] | None, typer.Argument(help="Ids as `list` shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="All dead letters.")]


@app.command("list")
@command
async def list_(limit: Annotated[int, typer.Option(**whole(1, LIST_MAX))] = 100) -> None:
    """List the oldest dead letters; they stay where they are."""
    async with queue_of(read_settings(CommonSettings)) as queue:
        letters = await queue.dead_letters(limit)
        number = await queue.count_dead()
    if not letters:
        out.print("There are no dead letters.")
        return
    table = new_table("id", "since", "model", "predictions", "reason")
    for letter in letters:
        since = f"{letter.since:%Y-%m-%d %H:%M:%S}" if letter.since else "?"
        model, count = (letter.message.model, str(len(letter.message.ids))) if letter.message else ("?", "?")
        table.add_row(letter.id, since, model, count, letter.reason)
    out.print(table)
    if number > len(letters):
        out.print(f"These are the oldest {len(letters)} of {number}.")


@app.command()
@command
async def show(letter_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one dead letter as it arrived."""
    async with queue_of(read_settings(CommonSettings)) as queue:
        letter = await queue.dead_letter(letter_id)
    if letter is None:
        raise NotFound(_missing(letter_id))
    out.print("reason:", letter.reason)
    out.print(letter.body)


@app.command()
@command
async def replay(ids: Ids = None, *, everything: Everything = False) -> None:
    """Send dead letters to their queue again; predictions answered in the meantime are not answered twice."""
    chosen = _chosen(ids, everything)
    settings = read_settings(CommonSettings)
    async with database_of(settings) as database, queue_of(settings) as queue:
        _report("Replayed", await admin.replay_dead_letters(database, queue, OPERATOR, ids=chosen))


@app.command()
@command
async def discard(ids: Ids = None, *, everything: Everything = False) -> None:
    """Delete dead letters. The sweeper still sends their open predictions again."""
    chosen = _chosen(ids, everything)
    settings = read_settings(CommonSettings)
    async with database_of(settings) as database, queue_of(settings) as queue:
        _report("Discarded", await admin.discard_dead_letters(database, queue, OPERATOR, ids=chosen))


def _chosen(ids: list[str] | None, everything: bool) -> list[str] | None:  # noqa: FBT001  typer hands it over so
    if bool(ids) == everything:
        raise typer.BadParameter("name ids, or --all")
    return ids or None


def _report(verb: str, handled: Handled) -> None:
    """Print what was done, and why the rest was not; exit code 1 if anything was skipped."""
    out.print(f"{verb}: {handled.done}")
    for letter_id, reason in handled.reasons.items():
        sentence = _missing(letter_id) if reason == NO_SUCH_LETTER else f"{letter_id} stays: {reason}"
        out.print(sentence)
    if handled.skipped > len(handled.reasons):
        out.print(f"… and {handled.skipped - len(handled.reasons)} more.")
    if handled.skipped:
        raise typer.Exit(1)


def _missing(letter_id: str) -> str:
    return f"There is no dead letter with the id {letter_id}; `dead list` shows the ids."
