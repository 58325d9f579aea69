"""The Telegram bot: the same predictions as by the API, in a chat. `python -m services.bot.bot`."""

from __future__ import annotations

import asyncio
import logging

import uvloop

from ml_service.platform.hidden_process import hide_process
from ml_service.platform.logs import set_up_logs
from ml_service.platform.metrics import share_metrics
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.reading import read_settings
from services.bot.wiring import run


def main() -> None:
    """Run until SIGTERM or SIGINT; work in progress is finished first."""
    hide_process()
    settings = read_settings(BotSettings)
    set_up_logs("bot", level=settings.log_level, style=settings.log_format)
    share_metrics()
    for chatty in ("aiogram", "aiohttp"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()
