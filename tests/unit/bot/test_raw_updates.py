"""Updates as they come: what is kept, what is confirmed, and what is read of those that are odd."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiogram import Bot
from hypothesis import given
from hypothesis import strategies as st

from ml_service.storage.updates import album_mark
from services.bot.polling import IDLE_PAUSE_S_MAX, Offset
from services.bot.raw_updates import Unreadable, group_request_of, has_content, loads, parse, update_of

BOT = Bot("42:x")
CHAT = {"id": 7, "type": "private"}


@pytest.mark.parametrize(
    ("raw", "chat"),
    [
        ({"update_id": 1, "message": {"chat": {"id": 7, "type": "private"}, "text": "\0"}}, 7),
        ({"update_id": 2**63, "message": {"chat": {"id": 7, "type": "private"}}}, None),
        ({"update_id": 1, "callback_query": {"message": {"chat": {"id": 7, "type": "private"}}}}, 7),
        ({"update_id": 1, "my_chat_member": {"chat": {"id": 7, "type": "private"}}}, 7),
        ({"update_id": 1, "message": {"chat": {"id": -7, "type": "group"}}}, None),
        ({"update_id": 1, "poll": {}}, None),
        ({"update_id": "1"}, None),
        ({"update_id": 1, "message": 5}, None),
        ([], None),
    ],
)
def test_only_private_chats_are_listened_to(raw: object, chat: int | None) -> None:
    update = update_of(raw)
    assert (update.chat_id if update else None) == chat


GROUP = {"id": -7, "type": "group"}
ANNA = {"id": 7, "is_bot": False, "first_name": "Anna"}
ASKED = {"message_id": 1, "chat": GROUP, "from": ANNA, "text": "/predict@Some_Bot hello"}


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        ({}, True),
        ({"text": "/PREDICT@some_BOT"}, True),
        ({"text": "/predict@some_bot\nhello", "chat": {"id": -(10**12), "type": "supergroup"}}, True),
        ({"text": "/predict@some_bott hello"}, False),
        ({"text": "/predict hello"}, False),
        ({"text": "hello /predict@some_bot"}, False),
        ({"text": None}, False),
        ({"chat": {"id": -7, "type": "channel"}}, False),
        ({"chat": {"id": "-7", "type": "group"}}, False),
        ({"chat": None}, False),
        ({"from": None}, False),
        ({"from": {**ANNA, "id": 2**63}}, False),
        ({"from": {**ANNA, "is_bot": True}}, False),
        ({"sender_chat": GROUP}, False),
        ({"message_id": None}, False),
    ],
)
def test_of_a_group_only_what_a_person_asks_this_bot_is_kept(change: dict[str, Any], is_kept: bool) -> None:
    raw = {"update_id": 1, "message": {**ASKED, **change}}
    update = group_request_of(raw, "some_bot")
    assert (update and update.chat_id) == (7 if is_kept else None)
    assert group_request_of(raw, "") is None
    assert update_of(raw) is None
    assert group_request_of({"update_id": 1, "edited_message": raw["message"]}, "some_bot") is None


def test_a_group_update_that_aiogram_cannot_parse_is_still_understood() -> None:
    more = {"date": "yesterday", "is_topic_message": True, "message_thread_id": 3}
    update = group_request_of({"update_id": 1, "message": {**ASKED, **more}}, "some_bot")
    assert update is not None
    message = parse(update.body, BOT).message
    assert message is not None
    assert message.from_user is not None
    assert (message.chat.id, message.chat.type, message.from_user.id, message.text) == (-7, "group", 7, ASKED["text"])
    assert (message.is_topic_message, message.message_thread_id) == (True, 3)


@given(st.text())
def test_an_update_is_kept_as_it_is_but_for_nul(text: str) -> None:
    text = text.encode(errors="replace").decode()
    for said in (text, rf"{text}\u0000", f"{text}\0"):
        update = update_of({"update_id": 1, "message": {"chat": {"id": 7, "type": "private"}, "text": said}})
        assert update is not None
        assert orjson.loads(update.body)["message"]["text"] == said.replace("\0", "")


def message(**more: Any) -> dict[str, Any]:
    return {"update_id": 1, "message": {"message_id": 5, "date": 1, "chat": CHAT, **more}}


@pytest.mark.parametrize(
    "odd",
    [
        {"forward_origin": {"type": "user"}},
        {"forward_origin": {"type": "nobody knows", "date": 1}},
        {"from": {"id": 7}},
        {"from": "x"},
        {"entities": [{"type": "bold"}]},
        {"date": "yesterday"},
        {"date": 10**30},
        {"reply_to_message": {"message_id": 4}},
        {"photo": [{"file_id": 1}]},
        {"via_bot": 5, "quote": 1},
    ],
)
def test_what_aiogram_cannot_read_is_read_for_what_is_needed(odd: dict[str, Any]) -> None:
    update = update_of(message(text="hello", **odd))
    assert update is not None
    found = parse(update.body, BOT).message
    assert found is not None
    assert (found.message_id, found.text, found.chat.id) == (5, "hello", 7)


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ({"sticker": {"file_id": 1}}, True),
        ({"photo": "x"}, True),
        ({"voice": {}}, True),
        ({"sticker": None, "date": "yesterday"}, False),
        ({"pinned_message": {"text": "x"}}, False),
    ],
)
def test_a_picture_that_cannot_be_read_is_still_no_notice(odd: dict[str, Any], expected: bool) -> None:
    update = update_of(message(**odd))
    assert update is not None
    found = parse(update.body, BOT).message
    assert found is not None
    assert has_content(found) is expected


def test_an_odd_file_tap_and_block_are_read_too() -> None:
    document = {"file_id": "f", "file_name": "a.csv", "file_size": "big", "thumbnail": 5}
    for odd in ({}, {"file_size": 10, "mime_type": 5}):
        update = update_of(message(document={**document, **odd, "file_size": 10}, caption="x"))
        assert update is not None
        found = parse(update.body, BOT).message
        assert found is not None
        assert found.document is not None
        assert (found.document.file_id, found.document.file_name) == ("f", "a.csv")
    tap = {"id": "9", "data": "again:1", "message": {"message_id": 5, "chat": CHAT}}
    update = update_of({"update_id": 2, "callback_query": tap})
    assert update is not None
    query = parse(update.body, BOT).callback_query
    assert query is not None
    assert (query.id, query.data, query.from_user.id) == ("9", "again:1", 7)
    for status, shown in (("kicked", "kicked"), ("left", "kicked"), ("member", "member"), ("administrator", "member")):
        changed = {"chat": CHAT, "new_chat_member": {"status": status}}
        update = update_of({"update_id": 3, "my_chat_member": changed})
        assert update is not None
        member = parse(update.body, BOT).my_chat_member
        assert member is not None
        assert member.new_chat_member.status == shown


def test_what_lacks_all_that_is_needed_is_unreadable() -> None:
    update = update_of({"update_id": 1, "message": {"chat": CHAT}})
    assert update is not None
    with pytest.raises(Unreadable):
        parse(update.body, BOT)


def test_the_same_event_has_the_same_name_whatever_its_update_id() -> None:
    first, again = update_of(message(text="a")), update_of({**message(text="a"), "update_id": 99})
    other = update_of({"update_id": 1, "message": {"message_id": 6, "chat": CHAT}})
    edited = update_of({"update_id": 1, "edited_message": {"message_id": 5, "chat": CHAT, "edit_date": 3}})
    assert first is not None
    assert again is not None
    assert other is not None
    assert edited is not None
    assert first.event == again.event
    assert len({first.event, other.event, edited.event}) == 3


def test_an_event_ends_with_the_album_of_its_message() -> None:
    picture, edited = (
        update_of({"update_id": 1, kind: {"message_id": 5, "chat": CHAT, "media_group_id": "12\0\ud83d"}})
        for kind in ("message", "edited_message")
    )
    assert picture is not None
    assert edited is not None
    album = parse(picture.body, BOT).message
    assert album is not None
    assert album.media_group_id is not None
    assert picture.event.endswith(album_mark(album.media_group_id))
    assert "album" not in edited.event


def test_a_lone_surrogate_does_not_hide_the_other_updates() -> None:
    raw = loads(
        b'[{"update_id": 1, "message": {"message_id": 1, "chat": {"id": 7, "type": "private"}, "text": "\\ud83d"}}]'
    )
    update = update_of(raw[0])
    assert update is not None
    assert orjson.loads(update.body)["message"]["text"] == "?"


# Polling: a Telegram that confirms by offset, begins its ids again, repeats, reorders and cuts its answers.


STEPS = ["come", "reset", "repeat", "reorder", "shrink", "none"]


class Server:
    """Holds updates until an offset above them has come, as Telegram does; ids may begin again at any time."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.last = 0

    def answer(self, offset: int) -> list[dict[str, int]]:
        if not self.waiting or min(self.waiting) > offset or offset - max(self.waiting) <= 1:
            self.waiting = [id_ for id_ in self.waiting if id_ >= offset]
        return [{"update_id": id_} for id_ in self.waiting[:100]]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["come", "reset", "repeat", "reorder", "shrink", "none"]),
            st.integers(1, 5),
            st.integers(1, 10**6),
        ),
        max_size=40,
    )
)
def test_every_update_is_confirmed_and_polling_never_spins(steps: list[tuple[str, int, int]]) -> None:
    server, offset, id_, seen, sent = Server(), Offset(), 500_000, set[int](), set[int]()
    answer: list[dict[str, int]] = []
    for step, count, start in steps:
        if step == "reset" and not server.waiting:
            id_ = start
        if step in {"come", "reset"}:
            server.waiting += range(id_, id_ + count)
            sent |= set(range(id_, id_ + count))
            id_ += count
        fresh = server.answer(offset.next)
        answer = {"repeat": answer or fresh, "reorder": fresh[::-1], "shrink": fresh[:1]}.get(step, fresh)
        seen |= {one["update_id"] for one in answer}
        offset.advance(answer, set())
    for _ in range(20):
        answer = server.answer(offset.next)
        seen |= {one["update_id"] for one in answer}
        offset.advance(answer, set())
    assert seen >= sent
    assert server.answer(offset.next) == []
    pauses = [0.0]
    for _ in range(12):  # always the same answer
        offset.advance([{"update_id": 3}], set())
        pauses.append(offset.pause_s(0.001))
    assert pauses[-1] == IDLE_PAUSE_S_MAX
    assert sum(pauses) > 10


@given(st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=30, max_size=30))
def test_answers_without_news_come_ever_more_slowly(answers: list[list[int]]) -> None:
    offset = Offset()
    pauses = []
    for ids in answers:
        offset.advance([{"update_id": id_} for id_ in ids], set())
        pauses.append(offset.pause_s(0.001))
    assert sum(pause == 0 for pause in pauses) <= 4  # there are four different updates
    assert sum(pauses) > 5


def test_what_could_not_be_kept_is_not_confirmed() -> None:
    offset = Offset()
    offset.advance([{"update_id": 5}, {"update_id": 6}, {"update_id": 7}], {6})
    assert offset.next == 6
    offset.advance([{"update_id": "x"}, 5, None, {"update_id": 2**63}, {"update_id": True}], set())
    assert offset.next == 6
