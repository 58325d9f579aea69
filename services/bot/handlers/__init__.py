"""What the bot does when a person writes or taps: a router for each topic."""

from __future__ import annotations

from aiogram import Dispatcher

from services.bot.handlers import admin, batch, begin, history, link, models, money, predict


def make_dispatcher() -> Dispatcher:
    """All handlers, in the order in which they are asked; `predict` takes every text that is left."""
    dispatcher = Dispatcher(disable_fsm=True)
    for topic in (begin, link, money, history, models, admin, batch, predict):
        dispatcher.include_router(topic.make_router())
    return dispatcher
