"""Buttons of a form whose model has changed since it asked."""

from __future__ import annotations

from typing import Any

import pytest

from ml_service.domain.models import ModelSpec
from ml_service.storage.database import Database
from ml_service.usecases import models
from services.bot.deps import Deps
from tests.support.play import announce_served
from tests.support.telegram import TelegramUser


def echo(version: str, colors: list[str]) -> ModelSpec:
    schema: dict[str, Any] = {"type": "object", "properties": {"color": {"enum": colors}}, "required": ["color"]}
    return ModelSpec("echo", version, "", 1, schema, {})


@pytest.mark.usefixtures("inbox")
async def test_a_button_for_a_choice_that_is_gone_says_that_the_question_is_closed(
    deps: Deps, database: Database, anna: TelegramUser
) -> None:
    async with database.begin() as session:
        await announce_served(session, echo("1", ["red", "green", "blue"]))
    await anna.send("/predict")
    question = await anna.expect("color")
    async with database.begin() as session:
        await announce_served(session, echo("2", ["red"]))
        await models.promote(session, "echo", "2", allow_unserved=True)
    await deps.catalog.refresh()
    await anna.tap(question, "blue")
    await anna.expect_pop_up("This question is closed.")
    await anna.tap(question, "red")
    await anna.expect("Got it")
