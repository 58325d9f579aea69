"""The bot. Before any module of it, aiogram is imported in the way that takes a fifth of the time."""

from services.bot.lazy_types import import_aiogram

import_aiogram()
