"""Telegram's objects are made ready when they are first used, and all of them can be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aiogram import methods, types
from pydantic import BaseModel

from services.bot import lazy_types

ROOT = Path(__file__).parents[3]
COUNT = """
import services.bot
from aiogram import methods, types
places = [(place, name) for place in (methods, types) for name in place.__all__]
classes = [one for one in (getattr(*place) for place in places) if hasattr(one, "model_rebuild")]
print(len(classes), sum(one.__pydantic_complete__ for one in classes))
"""


def test_few_are_ready_when_the_bot_starts() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], cwd=ROOT, capture_output=True, text=True, check=True)
    known, ready = map(int, done.stdout.split())
    assert known > 400
    assert ready < known / 10


def test_each_can_be_made_ready() -> None:
    for place in (methods, types):
        for name in place.__all__:
            one = getattr(place, name)
            if isinstance(one, type) and issubclass(one, BaseModel):
                one.model_rebuild()
                assert one.__pydantic_complete__, name


def test_an_answer_with_an_object_in_it_is_read() -> None:
    message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": "yes"}
    read = methods.Response[methods.EditMessageText.__returning__].model_validate({"ok": True, "result": message})
    assert isinstance(read.result, types.Message)
    assert read.result.text == "yes"


def test_pydantic_is_left_as_it_was() -> None:
    assert BaseModel.__dict__["model_rebuild"] is lazy_types._make
    assert "defer_build" not in BaseModel.model_config

    class Other(BaseModel):
        number: int

    assert Other.__pydantic_complete__
