"""`ml-service admin`: admins, and credits by an admin's hand."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ml_service.cli.common import begin, command, out, user_named
from ml_service.domain.errors import InvalidInput
from ml_service.domain.users import check_username
from ml_service.usecases import ledger, models, users

app = typer.Typer(help="Create admins, top users up, correct balances.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="The user's name; case does not matter.")]


@app.command()
@command
async def create(
    username: Username,
    *,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Create an admin; an existing user becomes one and keeps the password."""
    name = check_username(username)
    async with begin() as session:
        known = await users.get_by_name(session, name)
        if known is not None:
            await users.make_admin(session, known)
            out.print(f"{known.username} is an admin.")
            return
    password = (
        sys.stdin.readline().rstrip("\n")
        if password_stdin
        else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    users.check_new_user(name, password)
    password_hash = await users.Passwords().hash(password)
    async with begin() as session:
        user = await users.register(session, name, password_hash, starting_credits=0, is_admin=True)
    out.print(f"{user.username} is an admin.")


@app.command("top-up")
@command
async def top_up(
    username: Username,
    amount: Annotated[int, typer.Argument(help="Credits to add, 1 or more.")],
    reason: Annotated[str | None, typer.Option(help="Kept in the ledger, for example an invoice's number.")] = None,
) -> None:
    """Add credits to a user's balance."""
    async with begin() as session:
        user = await user_named(session, username)
        balance = await ledger.top_up(session, user.id, amount, reason)
    out.print(f"{user.username} has {balance} credits now.")


@app.command(context_settings={"ignore_unknown_options": True})
@command
async def adjust(
    username: Username,
    amount: Annotated[int, typer.Argument(help="Credits to add, or with a minus to take.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
) -> None:
    """Correct a user's balance, either way."""
    async with begin() as session:
        user = await user_named(session, username)
        balance = await ledger.adjust(session, user.id, amount, reason)
    out.print(f"{user.username} has {balance} credits now.")


@app.command()
@command
async def show(username: Username) -> None:
    """Show a user with balance and held credits."""
    async with begin() as session:
        user = await user_named(session, username)
        balance = await ledger.balance(session, user.id)
    role = "admin" if user.is_admin else "demo user" if user.is_demo else "user"
    out.print(
        f"{user.username}: {role}, balance {balance.balance}, held {balance.held}, since {user.created_at:%Y-%m-%d}"
    )


@app.command()
@command
async def price(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    credits_: Annotated[
        str, typer.Argument(metavar="CREDITS", help="A whole number, or `own` for the model's own price.")
    ],
) -> None:
    """Set the price of a model; it is in force within a second, for what is asked from then on."""
    if credits_ != "own" and not credits_.isdecimal():
        raise InvalidInput("A price is a whole number of credits, 0 or more, or the word own.")
    async with begin() as session:
        await models.set_price(session, model, None if credits_ == "own" else int(credits_))
    out.print(f"The price of {model} is set to {credits_}.")
