"""One table of what each way to fail means: later, never, or not in this chat; and who it was that answered."""

from __future__ import annotations

from unittest.mock import Mock

import orjson
import pytest
from aiogram import Bot
from aiogram.methods import SendMessage
from aiohttp import ClientResponseError

from services.bot.failures import ChatGone, Later, Refused, TelegramHttp, meaning_of

HTML = b"<html><h1>No</h1></html>"


def telegram(code: int, description: str | None = "No", **parameters: object) -> bytes:
    answer = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return orjson.dumps(answer if description is not None else {"ok": False, "error_code": code})


@pytest.mark.parametrize(
    ("status", "content", "meaning"),
    [
        (400, telegram(400, "Bad Request: message is too long"), Refused),
        (400, telegram(400, "Bad Request: chat not found"), ChatGone),
        (400, telegram(400, "Bad Request: PEER_ID_INVALID"), ChatGone),
        (400, telegram(400, None), Refused),
        (400, telegram(400, "group chat was upgraded", migrate_to_chat_id=-1001), ChatGone),
        (401, telegram(401, "Unauthorized"), Later),
        (403, telegram(403, "Forbidden: bot was blocked by the user"), ChatGone),
        (403, telegram(403, "Forbidden: user is deactivated"), ChatGone),
        (404, telegram(404, "Not Found"), Later),
        (409, telegram(409, "Conflict: terminated by other getUpdates request"), Later),
        (413, telegram(413, "Request Entity Too Large"), Refused),
        (420, telegram(420, "FLOOD"), Later),
        (429, telegram(429, "Too Many Requests: retry after 7", retry_after=7), Later),
        (429, telegram(429, "Too Many Requests", retry_after=0), Later),
        (429, telegram(429, "Too Many Requests", retry_after="soon"), Later),
        (429, telegram(429, "Too Many Requests"), Later),
        (500, telegram(500, "Internal Server Error"), Later),
        (500, telegram(500, None), Later),
        (502, HTML, Later),
        (200, HTML, Later),
        (200, b"", Later),
        (204, b"", Later),
        (302, b"", Later),
        # What a gateway says is nothing that Telegram has said of the chat.
        (403, HTML, Later),
        (403, b'{"error": "forbidden"}', Later),
        (400, HTML, Later),
        (404, HTML, Later),
        (451, HTML, Later),
        (407, HTML, Later),
        (413, HTML, Refused),
    ],
)
def test_each_answer_has_one_meaning(status: int, content: bytes, meaning: type[Exception]) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011  of many kinds, and none of them ours
        TelegramHttp().check_response(Bot("1:a"), SendMessage(chat_id=1, text="x"), status, content.decode())
    found = meaning_of(raised.value, 2.0)
    assert type(found) is meaning
    assert isinstance(found, Later) is (getattr(found, "seconds", None) is not None)
    if b'retry_after":7' in content:
        assert isinstance(found, Later)
        assert found.seconds == 7.0


@pytest.mark.parametrize(
    ("status", "meaning"), [(400, Refused), (403, Refused), (404, Refused), (410, Refused), (429, Later), (503, Later)]
)
def test_a_file_that_is_refused_says_nothing_of_the_chat(status: int, meaning: type[Exception]) -> None:
    assert type(meaning_of(ClientResponseError(Mock(), (), status=status), 1.0)) is meaning
