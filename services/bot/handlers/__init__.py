"""What the bot does when a person writes or taps: a router for each topic."""

from __future__ import annotations

from aiogram import Dispatcher

from services.bot.handlers import admin, batch, begin, delete, history, link, models, money, predict


def make_dispatcher() -> Dispatcher:
    """All handlers, in the order in which they are asked.

    A file comes before commands, for its caption may look like one; `predict` takes what is left.
    """
    dispatcher = Dispatcher(disable_fsm=True)
    for topic in (batch, begin, link, delete, money, history, models, admin, predict):
        dispatcher.include_router(topic.make_router())
    return dispatcher
