"""`ml-service webhooks`: receivers that fail, what was sent to them, and what can be done about it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from ml_service.cli.common import Reason, an_id, begin, command, new_table, out, whole
from ml_service.usecases import admin_webhooks
from ml_service.usecases.admin import OPERATOR

app = typer.Typer(help="List webhooks that fail, send messages again, switch one off.", no_args_is_help=True)


@app.command("list")
@command
async def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that work.")] = False,
    limit: Annotated[int, typer.Option(**whole(1, 10_000))] = 100,
) -> None:
    """List webhooks that fail or are switched off, those with the most waiting messages first."""
    async with begin() as session:
        found = await admin_webhooks.list_all(session, everything=everything, limit=limit)
    if not found:
        out.print("There are no webhooks." if everything else "No webhook fails.")
        return
    table = new_table("id", "user", "url", "failing since", "off", "waiting")
    for one in found:
        since = f"{one.failing_since:%Y-%m-%d %H:%M:%S}" if one.failing_since else ""
        table.add_row(str(one.id), one.username, one.url, since, one.disabled_reason or "", str(one.waiting))
    out.print(table)


@app.command()
@command
async def disable(
    webhook_id: Annotated[UUID, typer.Argument(**an_id())],
    reason: Reason,
) -> None:
    """Switch a webhook off. Its owner sees it, and can switch it on again."""
    async with begin() as session:
        await admin_webhooks.disable(session, OPERATOR, webhook_id, reason=reason)
    out.print("It is switched off.")


@app.command()
@command
async def log(
    webhook_id: Annotated[UUID, typer.Argument(**an_id())],
    limit: Annotated[int, typer.Option(**whole(1, 10_000))] = 50,
) -> None:
    """List messages to a webhook with their last attempt, newest first."""
    async with begin() as session:
        found, _ = await admin_webhooks.deliveries(session, webhook_id, before=None, limit=limit)
    table = new_table("id", "event", "state", "attempts", "last attempt", "status", "error")
    for one in found:
        last = one.attempts[-1] if one.attempts else None
        cells = (one.event, one.state, str(len(one.attempts)))
        at, status = (f"{last.at:%Y-%m-%d %H:%M:%S}", str(last.status or "")) if last else ("", "")
        table.add_row(str(one.id), *cells, at, status, (last and last.error) or "")
    out.print(table)


@app.command()
@command
async def resend(
    webhook_id: Annotated[UUID, typer.Argument(**an_id())],
    delivery_id: Annotated[int, typer.Argument(metavar="MESSAGE", **whole(1, 2**63 - 1), help="As `log` lists it.")],
) -> None:
    """Send a message again, under the same id."""
    async with begin() as session:
        await admin_webhooks.resend(session, OPERATOR, webhook_id, delivery_id)
    out.print("It is sent again.")
