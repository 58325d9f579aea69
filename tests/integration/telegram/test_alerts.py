"""What admins hear of workers: each of them once, however Telegram and the workers behave."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from ml_service.platform.settings.bot import BotSettings
from ml_service.storage import workers
from ml_service.storage.database import Database
from ml_service.usecases import telegram as use_cases
from services.bot import alerts
from services.bot.alerts import WorkerAlert
from services.bot.service import make_deps
from tests.support.play import Play
from tests.support.telegram import TOKEN, Telegram


async def test_workers_that_come_and_go_are_one_alert_and_a_slow_admin_delays_no_other(
    bot_database: Database, database_url: str, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def workers_are(*, alive: bool) -> None:
        async with play.database.autocommit() as session:
            await workers.beat(
                session,
                "worker-1-x",
                1,
                "host",
                1,
                pools=["default"],
                models=["echo@1"],
                model_states={},
                state="ready",
                lease_s=600,
            )
            if not alive:
                await workers.stop(session, "worker-1-x")

    monkeypatch.setattr(alerts, "NO_WORKER_S", 0.0)
    async with Telegram() as telegram, AsyncExitStack() as stack:
        admins = [telegram.person() for _ in range(3)]
        for admin in admins:
            await admin.send("/start")
            async with bot_database.begin() as session:
                await use_cases.ensure_chat(session, admin.id, "en", starting_credits=0)
        async with play.database.begin() as session:
            await session.execute("UPDATE users SET is_admin = true WHERE username LIKE 'telegram_%'")
        settings = BotSettings(database_url=database_url, queue_backend="postgres", telegram_api_url=telegram.url)
        alert = WorkerAlert(await make_deps(settings, TOKEN, stack))
        telegram.fault("delay", chat_id=admins[0].id, contains="No worker", seconds=2)
        for alive in (False, True, False, True, False, True):
            await workers_are(alive=alive)
            await alert.look()
        told = [admin.calls("orker") for admin in admins]
        assert [len(calls) for calls in told] == [1, 1, 1]
        assert told[0][0].at > max(told[1][0].at, told[2][0].at)
        monkeypatch.setattr(alerts, "BACK_S", 0.0)
        for _ in range(2):
            await alert.look()
        assert [[call.text.split(".")[0] for call in admin.calls("orker")] for admin in admins] == [
            ["🚨 No worker is running", "✅ Workers are running again"]
        ] * 3
