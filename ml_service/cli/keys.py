"""`ml-service keys`: the API keys of users."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from ml_service.cli.admin import Username
from ml_service.cli.common import (
    OptionalReason,
    Reason,
    an_id,
    begin,
    command,
    new_table,
    one_of,
    out,
    user_named,
    whole,
)
from ml_service.domain.credentials import ApiKey, CapPer, Scope, SpendCap
from ml_service.domain.errors import InvalidInput
from ml_service.domain.ledger import CREDITS_MAX
from ml_service.storage.api_keys import KeyFields
from ml_service.usecases import admin_keys, api_keys
from ml_service.usecases.admin import OPERATOR
from ml_service.usecases.api_keys import GRACE_S_MAX, KeyWithToken

app = typer.Typer(help="List, make, rotate and revoke API keys; every change is logged.", no_args_is_help=True)

KeyId = Annotated[UUID, typer.Argument(**an_id(), help="The id of the key, as `list` shows it.")]


@app.command("list")
@command
async def list_keys(username: Username) -> None:
    """List a user's keys that are not revoked, with what they have spent."""
    async with begin() as session:
        user = await user_named(session, username)
        found = await api_keys.list_of(session, user.id, keys_max=admin_keys.KEYS_MAX)
    table = new_table("id", "name", "begins", "scopes", "models", "spent", "a minute", "expires", "last used")
    for key in found:
        table.add_row(*_row(key))
    out.print(table)


def _row(key: ApiKey) -> list[str]:
    cap = "" if key.cap is None else f" of {key.cap.credits} per {key.cap.per}"
    return [
        str(key.id),
        key.name,
        key.prefix,
        ",".join(sorted(key.scopes)),
        "all" if key.models is None else ",".join(key.models),
        f"{key.spent_credits}{cap}",
        str(key.rate_limit_per_minute or ""),
        "" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}",
        "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}",
    ]


@app.command()
@command
async def create(
    username: Username,
    name: Annotated[str, typer.Option(help="To tell keys apart.")],
    *,
    scope: Annotated[
        list[Scope] | None, typer.Option(**one_of(*Scope), help="May be repeated; without it predict and read.")
    ] = None,
    cap: Annotated[
        str | None, typer.Option(metavar="CREDITS/PER", help="Such as 100/day, 1000/month, 5/total.")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="May be repeated; without it all models.")] = None,
    rate_limit_per_minute: Annotated[int | None, typer.Option(**whole(1, 1_000_000))] = None,
    days: Annotated[int | None, typer.Option(**whole(1, 36_500), help="Until it expires.")] = None,
    reason: OptionalReason = None,
) -> None:
    """Make a key for a user; it is printed once."""
    fields = KeyFields(
        name.strip(),
        frozenset(scope or (Scope.PREDICT, Scope.READ)),
        tuple(model) if model else None,
        None if cap is None else _cap_of(cap),
        rate_limit_per_minute,
        None if days is None else datetime.now(UTC) + timedelta(days=days),
    )
    async with begin() as session:
        user = await user_named(session, username)
        made = await admin_keys.create(session, OPERATOR, user.id, fields, reason=reason)
    _print(made)


def _cap_of(text: str) -> SpendCap:
    found = re.fullmatch(r"([0-9]{1,16})/(day|month|total)", text)
    if found is None or int(found[1]) > CREDITS_MAX:
        raise InvalidInput("A cap is credits and a window, such as 100/day, 1000/month or 5/total.")
    return SpendCap(int(found[1]), CapPer(found[2]))


@app.command()
@command
async def rotate(
    key_id: KeyId,
    grace_s: Annotated[int, typer.Option(**whole(0, GRACE_S_MAX), help="Seconds for which the old one works.")] = 60,
    reason: OptionalReason = None,
) -> None:
    """Give a key a new token, which is printed once; id, bounds and what was spent stay."""
    async with begin() as session:
        made = await admin_keys.rotate(session, OPERATOR, key_id, grace_s=grace_s, reason=reason)
    _print(made)


@app.command()
@command
async def revoke(key_id: KeyId, reason: Reason) -> None:
    """Revoke a key at once, on all processes."""
    async with begin() as session:
        await admin_keys.revoke(session, OPERATOR, key_id, reason=reason)
    out.print("The key is revoked.")


def _print(made: KeyWithToken) -> None:
    out.print(f"{made.key.name} ({made.key.id}); the key is not shown again:")
    out.print(made.token)
