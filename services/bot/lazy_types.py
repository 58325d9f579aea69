"""Imports aiogram so that the validator of each of Telegram's objects is made when it is first used.

By itself aiogram makes the validators of all its 400 classes at once. That is four fifths of the processor time of a
bot's start, seconds on a small machine, and a bot sees few of them.
"""

from __future__ import annotations

import importlib
from typing import Any

from pydantic import BaseModel

_names: dict[str, Any] = {}
"""What the annotations of these classes name: they are in other modules than the classes themselves."""
_make: Any = BaseModel.__dict__["model_rebuild"]
"""Pydantic's own class method."""


def _note(_cls: Any, /, *, _types_namespace: dict[str, Any] | None = None, **_options: Any) -> None:
    _names.update(_types_namespace or {})


def _make_with_names(cls: Any, /, *, _types_namespace: dict[str, Any] | None = None, **options: Any) -> bool | None:
    made: bool | None = _make.__get__(None, cls)(_types_namespace=_types_namespace or _names, **options)
    return made


def import_aiogram() -> None:
    """Import it; pydantic is as it was afterwards."""
    config = BaseModel.model_config
    BaseModel.model_config = {**config, "defer_build": True}
    BaseModel.model_rebuild = classmethod(_note)  # type: ignore[assignment, method-assign]
    try:
        importlib.import_module("aiogram")
    finally:
        BaseModel.model_config = config
        BaseModel.model_rebuild = _make  # type: ignore[method-assign]
    for module, name in (("types", "TelegramObject"), ("methods", "TelegramMethod"), ("methods", "Response")):
        base = getattr(importlib.import_module(f"aiogram.{module}"), name)
        base.model_rebuild = classmethod(_make_with_names)
