"""Files and texts are not taken for each other: neither what is written above a file, nor where a file is asked for."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ml_service.domain.models import ModelSpec
from ml_service.storage.database import Database
from tests.support.play import announce_served
from tests.support.telegram import Telegram, TelegramUser

ENTITY = {"type": "bot_command", "offset": 0, "length": 6}


@pytest.mark.usefixtures("inbox", "echo")
async def test_a_document_that_the_bot_cannot_read_is_said_to_be_one(telegram: Telegram) -> None:
    names, said = ("reviews.xlsx", "contract.pdf"), ("my reviews", "/batch", "/batch these", "/nonsense", None)
    for name, caption, is_asked_for in product(names, said, (False, True)):
        person = telegram.person()
        if is_asked_for:
            await person.send("/batch")
            await person.expect("Send the texts")
        commands = [ENTITY] if (caption or "").startswith("/") else []
        more = {"caption": caption, "caption_entities": commands} if caption else {}
        await person.send_file(name, b"PK", **more)
        assert (await person.expect()).text == "I can only read .txt and .csv files.", (name, caption)
        if is_asked_for:  # still: the right file may follow
            await person.send("/cancel")
            assert (await person.expect()).text == "✖️ Cancelled."


@pytest.mark.usefixtures("inbox", "echo")
async def test_what_looks_like_json_and_is_nested_too_deeply_is_a_text(anna: TelegramUser) -> None:
    await anna.send('{"text":' + "[" * 2000)
    await anna.expect("Got it")


FILE = {"type": "string", "contentEncoding": "base64", "minLength": 4, "maxLength": 4000}
TEXT = {"type": "string", "minLength": 1}


async def filled_in(database: Database, anna: TelegramUser, required: list[str], **fields: Any) -> None:
    """Choose a model with these fields, and open its form."""
    schema = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
    async with database.begin() as session:
        await announce_served(session, ModelSpec("picture", "1", "", 1, schema, {}))
    await anna.send("/models")
    await anna.tap(await anna.expect("Models"), "picture")
    await anna.expect("Selected: picture")
    await anna.send("/predict")


@pytest.mark.usefixtures("inbox", "echo")
@pytest.mark.parametrize("typed", ["test", "What is it?", "aGVsbG8gdGhlcmU="])
async def test_a_text_is_no_file(database: Database, anna: TelegramUser, typed: str) -> None:
    await filled_in(database, anna, ["image", "title"], image=FILE, title=TEXT, mask=FILE)
    await anna.expect("field 1 of 3: image")
    await anna.send(typed)
    assert (await anna.expect("Send a file", method="sendMessage")).text == "Send a file or a picture."
    await anna.send_file("a.png", b"\x89PNG", caption=typed)
    await anna.expect("field 2 of 3: title")
    await anna.send(typed)
    last = await anna.expect("field 3 of 3: mask")
    await anna.send(typed)
    assert (await anna.expect("Send a file", method="sendMessage")).text == "Send a file or a picture."
    async with database.autocommit() as session:
        assert await session.fetch("SELECT FROM predictions") == []
        await anna.tap(last, "Skip")
        await anna.expect("Got it")
        (row,) = await session.fetch("SELECT input::json ->> 'image' AS image FROM predictions")
    assert row["image"] == "iVBORw=="


@pytest.mark.usefixtures("inbox", "echo")
@pytest.mark.parametrize("name", ["content", "text"])
async def test_a_text_for_a_model_that_takes_only_a_file_submits_nothing(
    database: Database, anna: TelegramUser, name: str
) -> None:
    await filled_in(database, anna, [name], **{name: FILE | {"maxLength": 400}})
    await anna.expect(f"field 1 of 1: {name}")
    await anna.send_file("a.png", bytes(301))
    assert (await anna.expect("too big")).text == "The file is too big; the limit is 0.3\xa0KB."
    for typed in ("hello there", "/predict hello there", "test", "/batch test\ntest"):
        await anna.send(typed)
        await anna.expect("needs more than a text" if typed.startswith("/batch") else "Send a file or a picture.")
    async with database.autocommit() as session:
        assert await session.fetch("SELECT FROM predictions") == []


async def choose_flower(database: Database, anna: TelegramUser) -> None:
    fields = {"cm": {"type": "number", "maximum": 99}, "title": TEXT, "kind": {"type": "string", "default": "rose"}}
    schema = {"type": "object", "properties": fields, "required": ["cm", "title"], "additionalProperties": False}
    async with database.begin() as session:
        await announce_served(session, ModelSpec("flower", "1", "", 1, schema, {}))
    await anna.send("/models")
    await anna.tap(await anna.expect("Models"), "flower")
    await anna.expect("Selected: flower")


@pytest.mark.usefixtures("inbox", "echo")
@pytest.mark.parametrize("typed", ["55", "/predict 55"])
async def test_what_is_written_before_a_form_is_its_first_value(
    database: Database, anna: TelegramUser, typed: str
) -> None:
    await choose_flower(database, anna)
    await anna.send(typed)
    assert "✅ cm: 55" in (await anna.expect("field 2 of 3: title")).text
    await anna.send("Best")
    last = await anna.expect("field 3 of 3: kind")
    assert "(optional; by default: rose)" in last.text
    await anna.tap(last, "Skip")
    await anna.expect("Got it")
    async with database.autocommit() as session:
        (row,) = await session.fetch("SELECT input::json ->> 'cm' AS cm FROM predictions")
    assert row["cm"] in ("55", "55.0")


@pytest.mark.usefixtures("inbox", "echo")
@pytest.mark.parametrize(("typed", "why"), [("a rose", "must be a number"), ("100", "must be 99 or less")])
async def test_what_does_not_fit_the_first_field_is_said_with_the_reason(
    database: Database, anna: TelegramUser, typed: str, why: str
) -> None:
    await choose_flower(database, anna)
    await anna.send(typed)
    asked = await anna.expect("field 1 of 3: cm")
    assert f"Your text does not fit the first: {why}." in asked.text


@pytest.mark.usefixtures("inbox", "echo")
async def test_the_only_value_of_a_form_is_submitted_as_it_is_written(database: Database, anna: TelegramUser) -> None:
    await filled_in(database, anna, ["n"], n={"type": "integer"})
    await anna.expect("field 1 of 1: n")
    await anna.send("/predict 7")
    await anna.expect("Got it")
