"""The real app, worker and bot as processes, over a private database and an emulated Telegram."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from engine.native.processes import freeze_all
from ml_service.storage import ledger
from ml_service.storage.database import Database
from tests.support.ports import free_port
from tests.support.telegram import PATIENCE_S, TOKEN, Telegram

ROOT = Path(__file__).parents[2]
both_queues = pytest.mark.parametrize("world", ["postgres", "rabbitmq"], indirect=True)
"""Runs a test on each queue backend."""


@dataclass
class BotProgram:
    """One process of ours."""

    module: str
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module], cwd=ROOT, env=self.env, stdout=out, stderr=out
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        if number == signal.SIGSTOP:
            freeze_all([self.process.pid])
        else:
            self.process.send_signal(number)

    async def stop(self, number: int = signal.SIGTERM, timeout_s: float = 40) -> int:
        """Signal it and wait for its end; its exit code."""
        assert self.process is not None
        self.kill(number)
        if number == signal.SIGSTOP:
            return 0
        return await asyncio.to_thread(self.process.wait, timeout_s)

    def end(self) -> None:
        if self.process is not None:
            self.kill()
            self.process.wait()


@dataclass
class World:
    """All of it."""

    telegram: Telegram
    database_url: str
    database: Database
    folder: Path
    models: str
    queue: dict[str, str]
    """What tells the programs which queue they share."""
    app_port: int = field(default_factory=free_port)
    bot_port: int = field(default_factory=free_port)
    programs: list[BotProgram] = field(default_factory=list)

    def program(self, name: str, role: str, **more: str) -> BotProgram:
        """A program, not started."""
        env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.database_url.replace("postgres@", f"ml_service_{role}@"),
            **self.queue,
            "JWT_SECRET": "7f1c0d93e5b24a68a1d4c3f05e9b8726",
            "DEFAULT_MODEL": "echo",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "DATABASE_TIMEOUT_S": "10",
            "LOG_LEVEL": "WARNING" if name == "services.app.main" else "INFO",
            **more,
        }
        made = BotProgram(name, env, self.folder / f"{name.split('.')[1]}.log")
        self.programs.append(made)
        return made

    def app(self) -> BotProgram:
        return self.program("services.app.main", "app", PORT=str(self.app_port))

    def worker(self) -> BotProgram:
        env = {"MODELS": self.models, "MODELS_FOLDER": str(ROOT / "tests/models")}
        return self.program("services.ml_worker.worker", "worker", **env)

    def bot(self, **more: str) -> BotProgram:
        env = {"TELEGRAM_TOKEN": TOKEN, "TELEGRAM_API_URL": self.telegram.url, "BOT_PORT": str(self.bot_port), **more}
        return self.program("services.bot.bot", "bot", **env)

    async def start(self, bot: BotProgram) -> BotProgram:
        """Start a bot and wait until it polls, or has set its webhook."""
        before = len(self.telegram.calls)
        bot.start()
        sign = "setWebhook" if bot.env.get("TELEGRAM_WEBHOOK_URL") else "getUpdates"
        await self.telegram.wait_for(
            lambda: [call for call in self.telegram.calls[before:] if call.method == sign], sign, 3 * PATIENCE_S
        )
        return bot

    async def ready(self, models: str) -> None:
        """Wait until the app answers and workers serve these models."""
        wanted = set(models.split(","))
        async with asyncio.timeout(180), httpx2.AsyncClient(base_url=self.api) as client:
            while True:
                try:
                    answer = (await client.get("/models")).json()
                    if wanted <= {one["name"] for one in answer.get("items", answer) if one["is_live"]}:
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.1)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.app_port}"

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """Ask the database as its owner."""
        async with self.database.autocommit() as session:
            return list(await session.fetch(statement, *values))

    async def predictions_of(self, chat_id: int) -> list[Any]:
        """What was asked for in a chat, in order."""
        return await self.sql(
            "SELECT p.* FROM predictions AS p JOIN telegram_chats AS c ON p.user_id IN (c.user_id, c.own_user_id)"
            " WHERE c.chat_id = $1 ORDER BY p.id",
            chat_id,
        )

    async def balance_of(self, chat_id: int) -> int:
        (row,) = await self.sql(
            "SELECT u.balance FROM users AS u JOIN telegram_chats AS c ON c.user_id = u.id WHERE c.chat_id = $1",
            chat_id,
        )
        return int(row["balance"])

    async def until(self, statement: str, *values: Any, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a statement has a row, and its first value is true."""
        async with asyncio.timeout(timeout_s):
            while not any(row[0] for row in (await self.sql(statement, *values))[:1]):
                await asyncio.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(f"== {file.name}\n{file.read_text()[-4000:]}" for file in self.folder.glob("*.log"))


@asynccontextmanager
async def world_on(
    database_url: str, folder: Path, models: str = "echo,sentiment,survey,file-type", amqp_url: str | None = None
) -> AsyncIterator[World]:
    """App and worker run; no bot yet. The books must be right at the end.

    Args:
        amqp_url: The queue is RabbitMQ; None: it is PostgreSQL.
    """
    queue = {"QUEUE_BACKEND": "rabbitmq", "AMQP_URL": amqp_url} if amqp_url else {"QUEUE_BACKEND": "postgres"}
    database = await Database.connect(database_url, name="test", timeout_s=10)
    async with Telegram() as telegram:
        world = World(telegram, database_url, database, folder, models, queue)
        try:
            world.app().start()
            world.worker().start()
            await world.ready(models)
            yield world
            # With connections of its own: those of before may be broken, for others' tests kill the server too.
            fresh = await Database.connect(database_url, name="test", timeout_s=10)
            async with fresh.autocommit() as session:
                books = await ledger.audit(session)
            await fresh.close()
            assert books.is_clean, books
        finally:
            for program in reversed(world.programs):
                program.end()
            await database.close()


async def make_database(owner_dsn: str, name: str, template: str) -> None:
    """A fresh database of a template."""
    connection = await asyncpg.connect(owner_dsn)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await connection.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """A failed test shows the ends of the processes' logs."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        report.sections.append(("logs", world.logs()))
