"""What admins hear of workers: each of them once, however Telegram and the workers behave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.platform.settings.bot import BotSettings
from ml_service.storage import alerts as stored_alerts
from ml_service.storage import chats, workers
from ml_service.storage.database import Database
from ml_service.usecases import telegram as use_cases
from services.bot import alerts
from services.bot.alerts import WorkerAlert
from services.bot.wiring import make_deps
from tests.support.play import Play
from tests.support.telegram import TOKEN, Telegram, TelegramUser


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    async with Telegram() as telegram:
        yield telegram


async def workers_are(play: Play, *, alive: bool) -> None:
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


@pytest.fixture
async def admins(telegram: Telegram, bot_database: Database, play: Play) -> list[TelegramUser]:
    """Three admins in their chats."""
    admins = [telegram.person() for _ in range(3)]
    for admin in admins:
        await admin.send("/start")
        async with bot_database.begin() as session:
            await use_cases.ensure_chat(session, admin.id, "en", starting_credits=0)
    async with play.database.begin() as session:
        await session.execute("UPDATE users SET is_admin = true WHERE username LIKE 'telegram_%'")
    return admins


@pytest.fixture
async def alert(telegram: Telegram, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerAlert]:
    """The alert, which waits for nothing where no worker is alive."""
    monkeypatch.setattr(alerts, "NO_WORKER_S", 0.0)
    settings = BotSettings(database_url=database_url, queue_backend="postgres", telegram_api_url=telegram.url)
    async with AsyncExitStack() as stack:
        yield WorkerAlert(await make_deps(settings, TOKEN, stack))


def heard(admin: TelegramUser) -> list[str]:
    """What this admin was told of workers."""
    return [call.text.split(".")[0] for call in admin.calls("orker")]


async def refuse(play: Play, when: str) -> None:
    """Let the database note nothing, as a server that became a standby."""
    async with play.database.begin() as session:
        await session.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE read_only_sql_transaction; END $$"
        )
        await session.execute(
            f"CREATE TRIGGER refuse BEFORE {when} ON telegram_alert_receipts EXECUTE FUNCTION refuse()"
        )


NONE, BACK = "🚨 No worker is running", "✅ Workers are running again"


async def test_workers_that_come_and_go_are_one_alert_and_a_slow_admin_delays_no_other(
    telegram: Telegram, admins: list[TelegramUser], alert: WorkerAlert, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    telegram.fault("delay", chat_id=admins[0].id, contains="No worker", seconds=2)
    for alive in (False, True, False, True, False, True):
        await workers_are(play, alive=alive)
        await alert.look()
    told = [admin.calls("orker") for admin in admins]
    assert [len(calls) for calls in told] == [1, 1, 1]
    assert told[0][0].at > max(told[1][0].at, told[2][0].at)
    monkeypatch.setattr(alerts, "BACK_S", 0.0)
    for _ in range(2):
        await alert.look()
    assert [heard(admin) for admin in admins] == [[NONE, BACK]] * 3


@pytest.mark.parametrize(("when", "words"), [("INSERT", [NONE]), ("DELETE", [NONE, BACK])])
async def test_admins_are_told_once_though_the_database_cannot_note_it(
    admins: list[TelegramUser],
    alert: WorkerAlert,
    play: Play,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    words: list[str],
) -> None:
    monkeypatch.setattr(alerts, "BACK_S", 0.0)
    await workers_are(play, alive=False)
    if when == "DELETE":
        await alert.look()
        await workers_are(play, alive=True)
    await refuse(play, when)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await alert.look()
        assert [heard(admin) for admin in admins] == [words] * 3
    async with play.database.begin() as session:
        await session.execute("DROP TRIGGER refuse ON telegram_alert_receipts")
    await alert.look()
    await workers_are(play, alive=True)
    for _ in range(2):
        await alert.look()
    assert [heard(admin) for admin in admins] == [[NONE, BACK]] * 3


async def test_an_admin_who_wants_no_messages_does_not_hear_that_workers_are_back(
    admins: list[TelegramUser], alert: WorkerAlert, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "BACK_S", 0.0)
    await workers_are(play, alive=False)
    await alert.look()
    async with play.database.begin() as session:
        await chats.set_stopped(session, admins[1].id)
    await workers_are(play, alive=True)
    await alert.look()
    assert [heard(admin) for admin in admins] == [[NONE, BACK], [NONE], [NONE, BACK]]
    async with play.database.autocommit() as session:
        assert await session.fetchval("SELECT count(*) FROM telegram_alert_receipts") == 0


async def test_a_new_term_begins_with_time_for_workers_to_start(
    admins: list[TelegramUser], alert: WorkerAlert, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "NO_WORKER_S", 0.2)
    await workers_are(play, alive=False)
    await alert.look()
    await asyncio.sleep(0.3)
    alert.forget()
    await alert.look()
    assert heard(admins[0]) == []
    await asyncio.sleep(0.3)
    await alert.look()
    assert heard(admins[0]) == [NONE]


@pytest.mark.parametrize(("when", "words"), [("INSERT", [NONE, NONE]), ("DELETE", [NONE, BACK])])
async def test_what_an_earlier_leader_could_not_note_is_not_taken_for_the_next_alert(
    admins: list[TelegramUser],
    alert: WorkerAlert,
    play: Play,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    words: list[str],
) -> None:
    monkeypatch.setattr(alerts, "BACK_S", 0.0)
    await workers_are(play, alive=False)
    if when == "DELETE":
        await alert.look()
        await workers_are(play, alive=True)
    await refuse(play, when)
    with pytest.raises(DatabaseUnavailable):
        await alert.look()
    async with play.database.begin() as session:  # another leader ends the alert, and has told all of the next one
        await session.execute("DROP TRIGGER refuse ON telegram_alert_receipts")
        await session.execute("DELETE FROM telegram_alerts")
        await stored_alerts.begin(session, alerts.NO_WORKERS)
        if when == "DELETE":
            for chat_id, _ in await stored_alerts.untold_admins(session, alerts.NO_WORKERS):
                await session.execute("INSERT INTO telegram_alert_receipts VALUES ($1, $2)", alerts.NO_WORKERS, chat_id)
    await workers_are(play, alive=False)
    alert.forget()
    await alert.look()
    assert [heard(admin) for admin in admins] == [words] * 3
