"""`ml-service webhooks`, run as an operator does."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from ml_service.cli.commands import app
from ml_service.cli.common import out
from ml_service.domain.ids import new_id
from ml_service.storage import admin_actions, webhook_deliveries, webhooks
from tests.support.play import Play


async def run(*arguments: str, expected: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exit_code == expected, result.output
    return result.output


async def test_an_operator_finds_a_webhook_that_fails_and_switches_it_off(
    play: Play, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "width", 200)
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert "No webhook fails." in await run("webhooks", "list")
    async with play.database.begin() as session:
        made = await webhooks.add(
            session, new_id(), play.user_id, "https://[bold]x", ["balance.low"], "whsec_x", balance_low_credits=5
        )
        await session.execute("UPDATE webhooks SET failing_since = now()")
    shown = await run("webhooks", "list")
    assert all(text in shown for text in (str(made.id), "anna", "https://[bold]x"))
    async with play.database.begin() as session:
        message = await webhook_deliveries.owe_to(session, play.user_id, made.id, "webhook.test", new_id(), "{}")
        await session.execute("UPDATE deliveries SET delivered_at = now(), error = 'x' WHERE id = $1", message)
    assert "failed" in await run("webhooks", "log", str(made.id))
    await run("webhooks", "resend", str(made.id), str(message))
    assert "pending" in await run("webhooks", "log", str(made.id))
    await run("webhooks", "resend", str(made.id), str(message + 1), expected=1)
    await run("webhooks", "disable", str(made.id), "--reason", "it floods us")
    assert "admin" in await run("webhooks", "list")
    await run("webhooks", "disable", str(uuid4()), "--reason", "x", expected=1)
    async with play.database.autocommit() as session:
        found, *_ = await admin_actions.page(session, before=None, limit=5)
        assert not await session.fetchval("SELECT has_webhooks FROM users WHERE id = $1", play.user_id)
    assert (found.action, found.target, found.reason) == ("webhook.disable", f"webhook:{made.id}", "it floods us")


async def test_switching_off_what_is_off_is_not_logged(
    play: Play, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    async with play.database.begin() as session:
        made = await webhooks.add(
            session, new_id(), play.user_id, "https://x", ["balance.low"], "whsec_x", balance_low_credits=5
        )
        await webhooks.change(session, play.user_id, made.id, is_disabled=True)  # by its owner
    await run("webhooks", "disable", str(made.id), "--reason", "it floods us")
    async with play.database.autocommit() as session:
        assert await admin_actions.page(session, before=None, limit=5) == []
        found = await webhooks.get(session, play.user_id, made.id)
    assert found is not None
    assert found.disabled_reason == "user"
