"""A document is what was meant, whatever is written above it: nothing is asked of a model beside it."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.telegram import Telegram

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
