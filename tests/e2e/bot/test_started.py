"""The bot as `start.py` runs it: with a token in services/bot/.env it answers, without one it rests."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from engine.native.processes import is_running
from tests.support.ports import free_port
from tests.support.system import PATIENCE_S, System
from tests.support.systems import system_on
from tests.support.telegram import TOKEN, Telegram

pytestmark = pytest.mark.timeout(600)


def put_settings(system: System, **settings: str) -> Path:
    """Change services/bot/.env as a person does: what the example says stays where it is not changed."""
    file = system.root / "services/bot/.env"
    lines = (system.root / "services/bot/.env.example").read_text().splitlines()
    kept = [line for line in lines if line.partition("=")[0] not in settings]
    file.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in settings.items())]) + "\n")
    return file


@pytest.mark.slow
@pytest.mark.parametrize("queue", ["postgres", "rabbitmq"])
async def test_with_a_token_it_answers_and_is_kept_running(queue: str) -> None:
    async with Telegram() as telegram:
        anna = telegram.person("ru")
        with system_on(queue) as system:
            port = str(free_port())
            put_settings(system, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=telegram.url, BOT_PORT=port)
            said = await asyncio.to_thread(system.start)
            assert "  Bot      runs with TELEGRAM_TOKEN" in said
            await anna.send("Отличный сервис")
            await anna.expect("Принято", timeout_s=PATIENCE_S)
            answer = await anna.expect("🙂 положительный", method="editMessageText", timeout_s=PATIENCE_S)
            assert "sentiment 2." in answer.text

            await asyncio.to_thread(system.until_all_ready)
            status = json.loads(await asyncio.to_thread(system.run, "--status", "--json"))
            (bot,) = [one for one in status["processes"] if one["name"] == "bot"]
            assert (bot["state"], bot["status"]) == ("ready", "polling")
            shown = await asyncio.to_thread(system.run, "--status")
            (line,) = [line for line in shown.splitlines() if line.startswith("bot ")]
            assert "polling" in line
            assert "telegram_knows_us" in await asyncio.to_thread(system.run, "--logs", "bot")

            await asyncio.to_thread(system.kill_and_see_it_back, "bot")
            await anna.send("Ужасно, всё сломано")
            await anna.expect("Ужасно", method="editMessageText", timeout_s=PATIENCE_S)
            assert TOKEN not in "".join(log.read_text() for log in system.root.glob("var/logs/*.log"))

            pid = system.pids()["bot"]
            assert pid is not None
            await asyncio.to_thread(system.run, "--stop")
            assert not is_running(pid)


@pytest.mark.slow
def test_without_a_token_the_start_says_so_in_one_line_and_no_bot_runs() -> None:
    with system_on("postgres") as system:
        said = system.start()
        assert [line for line in said.splitlines() if "Bot " in line] == [
            "  Bot      rests: services/bot/.env has no TELEGRAM_TOKEN (docs/telegram.md)"
        ]
        system.until_all_ready()
        assert "bot" not in system.pids()
        assert (system.root / "services/bot/.env").exists()  # made from its example, for the token
