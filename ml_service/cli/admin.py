"""`ml-service admin`: admins, credits and prices from the command line."""

from __future__ import annotations

import re
import sys
from typing import Annotated
from uuid import UUID

import typer

from ml_service.cli.common import Reason, an_id, begin, command, new_table, one_of, out, user_named, whole
from ml_service.domain.errors import InvalidInput, NotFound, UsernameTaken
from ml_service.domain.ledger import Kind, in_words
from ml_service.domain.roles import Role
from ml_service.domain.users import User, check_username
from ml_service.storage import link_codes, sessions
from ml_service.storage import users as stored_users
from ml_service.usecases import admin, admin_predictions, operations, searching, users
from ml_service.usecases.admin import CREDITS_BY_HAND_MAX, OPERATOR
from ml_service.usecases.operations import MINUTES_MAX, SeriesWanted, StepLength
from ml_service.usecases.passwords import Passwords

app = typer.Typer(help="Create admins, move credits, block users; every change is logged.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="The user's name; case does not matter.")]


@app.command()
@command
async def create(
    username: Username,
    *,
    existing: Annotated[bool, typer.Option("--existing", help="Give the role to a registered user.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    role: Annotated[str, typer.Option(**one_of(*Role), help="What they may do.")] = Role.ADMIN,
) -> None:
    """Create an admin, or somebody with another role.

    A name that is taken is refused without --existing: anybody may have registered it.
    """
    name = check_username(username)
    async with begin() as session:
        known = await users.get_by_name(session, name)
    if known is None and existing:
        raise NotFound(f"There is no user named {name!r}.")
    if known is not None:
        if not existing:
            raise UsernameTaken(f"{known.username!r} is taken. If it is the right person's, say --existing.")
        await _promote(known, Role(role), _read_password(known.username) if password_stdin else None)
        return
    if not password_stdin and not sys.stdin.isatty():
        raise InvalidInput("There is no terminal to ask for the password: pass it with --password-stdin.")
    password = (
        _read_password(name) if password_stdin else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    users.check_new_user(name, password)
    password_hash = await Passwords().hash(password)
    async with begin() as session:
        user = await users.register(session, name, password_hash, starting_credits=0)
        await stored_users.set_role(session, user.id, Role(role))
        await admin.record(session, OPERATOR, "user.create_admin", f"user:{user.id}", after={"role": role})
    out.print(f"{user.username} is {_named(Role(role))}.")


def _read_password(username: str) -> str:
    password = sys.stdin.buffer.readline().decode(errors="surrogateescape").rstrip("\r\n")  # checked as any other
    users.check_new_user(username, password)
    return password


def _named(role: Role | None) -> str:
    return "an admin" if role is Role.ADMIN else f"a {role or 'user'}"


async def _promote(user: User, role: Role, password: str | None) -> None:
    """Give a registered user a role, and a new password where one is given: all sessions and unused link codes end."""
    password_hash = await Passwords().hash(password) if password is not None else None
    async with begin() as session:
        await admin.set_role(session, OPERATOR, user.id, role, reason=None)
        if password_hash is not None:
            await stored_users.set_password_hash(session, user.id, password_hash)
            await sessions.revoke_all_of(session, user.id)
            await link_codes.end_unused(session, user.id)
            await admin.record(session, OPERATOR, "user.password", f"user:{user.id}")
    out.print(f"{user.username} is {_named(role)}" + (" with a new password." if password_hash else "."))


MoveReason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]


@app.command("top-up")
@command
async def top_up(
    username: Username,
    amount: Annotated[int, typer.Argument(**whole(1, CREDITS_BY_HAND_MAX), help="Credits to add.")],
    reason: Annotated[str | None, typer.Option(help="Kept in the ledger, for example an invoice's number.")] = None,
) -> None:
    """Add credits to a user's balance."""
    async with begin() as session:
        user = await user_named(session, username)
        moved = await admin.move_credits(session, OPERATOR, user.id, Kind.TOP_UP, amount, reason=reason, key=None)
    out.print(f"{user.username} has {in_words(moved.balance)} now.")


@app.command(context_settings={"ignore_unknown_options": True})
@command
async def adjust(
    username: Username,
    amount: Annotated[
        int,
        typer.Argument(
            **whole(-CREDITS_BY_HAND_MAX, CREDITS_BY_HAND_MAX), help="Credits to add, or with a minus to take."
        ),
    ],
    reason: MoveReason,
) -> None:
    """Correct a user's balance, either way."""
    async with begin() as session:
        user = await user_named(session, username)
        moved = await admin.move_credits(session, OPERATOR, user.id, Kind.ADJUSTMENT, amount, reason=reason, key=None)
    out.print(f"{user.username} has {in_words(moved.balance)} now.")


Amount = Annotated[int, typer.Argument(**whole(), help="Credits, 1 or more.")]
Key = Annotated[str, typer.Option(help="Repeating the command with the same key moves nothing again.")]


@app.command()
@command
async def refund(username: Username, amount: Amount, reason: MoveReason, key: Key) -> None:
    """Give back credits that a user has paid for predictions."""
    async with begin() as session:
        user = await user_named(session, username)
        moved = await admin.move_credits(session, OPERATOR, user.id, Kind.REFUND, amount, reason=reason, key=key)
    out.print(f"{user.username} has {in_words(moved.balance)} now.")


@app.command()
@command
async def chargeback(username: Username, amount: Amount, reason: MoveReason, key: Key) -> None:
    """Take back credits of top-ups whose payment was reversed."""
    async with begin() as session:
        user = await user_named(session, username)
        moved = await admin.move_credits(session, OPERATOR, user.id, Kind.CHARGEBACK, amount, reason=reason, key=key)
    out.print(f"{user.username} has {in_words(moved.balance)} now.")


@app.command()
@command
async def show(username: Username) -> None:
    """Show a user with balance and held credits."""
    async with begin() as session:
        user = await admin.account(session, (await user_named(session, username)).id)
    role = "demo user" if user.is_demo else user.role or "user"
    states = "".join(
        f", {name}" for name, holds in (("blocked", user.is_blocked), ("deleted", user.is_deleted)) if holds
    )
    out.print(
        f"{user.username}: {role}{states}, balance {user.balance}, held {user.held}, since {user.created_at:%Y-%m-%d}"
    )


@app.command("role")
@command
async def set_role(
    username: Username,
    role: Annotated[
        str, typer.Argument(**one_of(*Role, "none") | {"metavar": "role"}, help=f"{', '.join(Role)} or none.")
    ],
    reason: Reason,
) -> None:
    """Give a user a role, or take it away, on all replicas at once; the last admin keeps theirs."""
    given = None if role == "none" else Role(role)
    async with begin() as session:
        user = await user_named(session, username)
        await admin.set_role(session, OPERATOR, user.id, given, reason=reason)
    out.print(f"{user.username} is {_named(given)}.")


@app.command()
@command
async def cancel(
    prediction_id: Annotated[UUID, typer.Argument(**an_id(), help="Of anybody's prediction.")], reason: Reason
) -> None:
    """Cancel anybody's prediction; its credits go back."""
    async with begin() as session:
        canceled = await admin_predictions.cancel(session, OPERATOR, prediction_id, reason=reason)
    out.print(f"{canceled.id} is canceled.")


@app.command()
@command
async def block(username: Username, reason: Reason) -> None:
    """Block a user: all sessions end, and neither sign-ins nor predictions are accepted."""
    async with begin() as session:
        user = await user_named(session, username)
        await admin.set_blocked(session, OPERATOR, user.id, is_blocked=True, reason=reason)
    out.print(f"{user.username} is blocked.")


@app.command()
@command
async def unblock(username: Username, reason: Reason) -> None:
    """Unblock a user."""
    async with begin() as session:
        user = await user_named(session, username)
        await admin.set_blocked(session, OPERATOR, user.id, is_blocked=False, reason=reason)
    out.print(f"{user.username} is not blocked.")


@app.command()
@command
async def actions(limit: Annotated[int, typer.Option(**whole(1, 10_000))] = 50) -> None:
    """List what admins have done, on the page and here, the newest first."""
    async with begin() as session:
        found, _ = await admin.actions(session, before=None, limit=limit)
    table = new_table("at", "who", "action", "target", "before", "after", "reason")
    for one in found:
        texts = (one.actor, one.action, one.target, one.before or "", one.after or "", one.reason or "")
        table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", *texts)
    out.print(table)


@app.command()
@command
async def search(text: Annotated[str, typer.Argument(help="An id, a number, or how a key or a name begins.")]) -> None:
    """Find users, predictions, batches, bulk jobs, keys, webhooks, transactions and Telegram chats."""
    async with begin() as session:
        found = await searching.search(session, text)
    if not found:
        out.print("Nothing was found.")
        return
    table = new_table("kind", "id", "user", "what", "at")
    for one in found:
        table.add_row(one.kind, one.id, one.username, one.title, f"{one.at:%Y-%m-%d %H:%M:%S}")
    out.print(table)


@app.command()
@command
async def stats(
    *,
    minutes: Annotated[int, typer.Option(**whole(5, MINUTES_MAX), help="How far back.")] = 60,
    step: Annotated[
        StepLength | None, typer.Option(**one_of(*StepLength), help="At most 60; by itself the shortest that fits.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
) -> None:
    """Print what was accepted, answered, failed and paid, and how long answers took, step by step (UTC)."""
    wanted = SeriesWanted.of(minutes, step, model)
    async with begin() as session:
        found = await operations.read_series(session, wanted)
    table = new_table("from", "accepted", "succeeded", "failed", "credits", "p50 ms", "p95 ms", "p99 ms")
    for one in found:
        times = ("" if value is None else f"{value:.1f}" for value in (one.p50_ms, one.p95_ms, one.p99_ms))
        counts = (str(number) for number in (one.accepted, one.succeeded, one.failed, one.credits))
        table.add_row(f"{one.at:%Y-%m-%d %H:%M}", *counts, *times)
    out.print(table)


@app.command()
@command
async def price(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    credits_: Annotated[
        str, typer.Argument(metavar="CREDITS", help="A whole number, or `own` for the model's own price.")
    ],
) -> None:
    """Set the price of a model; it applies to new predictions within a second."""
    if credits_ != "own" and not re.fullmatch(r"[0-9]{1,9}", credits_):
        raise InvalidInput("A price is a whole number of credits from 0 to 999,999,999, or the word own.")
    async with begin() as session:
        changes = {"price_credits": None if credits_ == "own" else int(credits_)}
        await admin.change_model(session, OPERATOR, model, changes, reason=None)
    out.print(f"The price of {model} is set to {credits_}.")
