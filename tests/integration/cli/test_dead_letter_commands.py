"""`ml-service dead` and `ml-service status`, run as an operator does, on both queue backends."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from ml_service.cli.commands import app
from ml_service.cli.common import out
from ml_service.messaging.queue import Queue
from ml_service.storage.database import Database
from ml_service.usecases import admin
from ml_service.usecases.admin import OPERATOR
from tests.support.broker import Broker, consuming, task

OK, SKIPPED = 0, 1


@pytest.fixture
def settings(room: Broker, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the test's broker and database, in the environment."""
    monkeypatch.setattr(out, "width", 200)
    settings = {"QUEUE_BACKEND": room.backend, "DATABASE_URL": database_url}
    if room.backend == "rabbitmq":
        settings["AMQP_URL"] = room.url
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


async def run(*arguments: str, expected: int = OK) -> str:
    """What a command prints; fails if it ends with another exit code."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exit_code == expected, result.output
    return result.output


@pytest.mark.usefixtures("settings")
async def test_replay_says_why_a_letter_was_not_replayed(broker: Broker, queue: Queue) -> None:
    await queue.publish_tasks([task()])
    async with consuming(queue) as consumer:
        await consumer.reject((await consumer.get_batch(1, 0))[0], "no model of this name [bold]here[/bold]")
        await broker.publish_raw("not \x1b[31m a message")
        async with asyncio.timeout(30):
            while await queue.count_dead() < 2:
                assert await consumer.get_batch(1, 0, timeout_s=0.1) == []
    letters = {letter.message is not None: letter.id for letter in await queue.dead_letters()}
    good, bad = letters[True], letters[False]

    listed = await run("dead", "list")
    assert "no model of this name [bold]here[/bold]" in listed
    assert good in listed
    assert bad in listed
    assert json.loads(await run("status", "--json"))["dead_letters"] == 2
    assert "dead letters: 2" in await run("status")
    assert r"not \x1b[31m a message" in await run("dead", "show", bad)
    assert "There is no dead letter with the id 0" in await run("dead", "show", "0", expected=SKIPPED)

    replayed = await run("dead", "replay", "0", bad, good, expected=SKIPPED)
    assert "Replayed: 1" in replayed
    assert "There is no dead letter with the id 0; `dead list` shows the ids." in replayed
    assert f"{bad} stays: undecodable" in replayed
    assert "Discarded: 1" in await run("dead", "discard", "--all")
    assert "There are no dead letters." in await run("dead", "list")
    assert json.loads(await run("status", "--json"))["dead_letters"] == 0
    logged = await run("admin", "actions")
    assert all(action in logged for action in ("dead_letters.replay", "dead_letters.discard", "command-line"))


async def test_admins_replay_the_oldest_letters(queue: Queue, database: Database) -> None:
    await queue.publish_tasks([task(), task(), task()])
    async with consuming(queue) as consumer:
        for _ in range(3):
            [delivery] = await consumer.get_batch(1, 0, timeout_s=30)
            await consumer.reject(delivery, "no model of this name")
        async with asyncio.timeout(30):
            while await queue.count_dead() < 3:
                await asyncio.sleep(0.1)
        oldest = [one.id for one in await queue.dead_letters()]
        handled = await admin.replay_dead_letters(database, queue, OPERATOR, ids=None, count=2)
        assert (handled.done, handled.skipped) == (2, 0)
        async with asyncio.timeout(30):
            while await queue.count_dead() != 1:
                await asyncio.sleep(0.1)
        [left] = await queue.dead_letters()
        assert left.id == oldest[-1]
    async with database.autocommit() as session:
        [action], _ = await admin.actions(session, before=None, limit=10)
    assert (action.action, json.loads(action.after or "{}")) == (
        "dead_letters.replay",
        {"letters": 2, "first": oldest[:2]},
    )
