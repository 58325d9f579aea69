"""Updates as Telegram sends them: what is kept of them, and how they are read when something in them is odd."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import structlog
from aiogram import Bot
from aiogram.types import Message
from aiogram.types import Update as TelegramUpdate

from ml_service.storage.updates import Update, album_mark

log = structlog.get_logger()

KINDS = ["message", "edited_message", "callback_query", "my_chat_member"]
GROUPS = ("group", "supergroup")
CONTENT = (
    "animation", "audio", "photo", "sticker", "story", "video", "video_note", "voice", "contact", "dice", "game",
    "poll", "venue", "location", "paid_media", "checklist", "invoice",
)  # fmt: skip
"""What a person sends on purpose; every other message without a text is a notice of Telegram's."""
BIGINT_MAX = 2**63
LANGUAGE_CHARS_MAX = 16


class Unreadable(Exception):
    """Not even what is needed of an update can be read."""


def loads(content: bytes) -> Any:
    """JSON as it comes, lone surrogates included; raises ValueError."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return json.loads(content.decode("utf-8", errors="replace"))


def id_of(raw: Any) -> int | None:
    """The id by which an update is confirmed; None where it has none that Telegram could mean."""
    found = raw.get("update_id") if isinstance(raw, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < BIGINT_MAX - 1 else None


def update_of(raw: Any) -> Update | None:
    """An update of a private chat, to be kept; None for all others: a bot that was put into a group says nothing."""
    update_id = id_of(raw)
    if update_id is None:
        return None
    kind = next((kind for kind in KINDS if isinstance(raw.get(kind), dict)), None)
    if kind is None:
        return None
    body = raw[kind]
    message = body.get("message") if kind == "callback_query" else body
    chat = message.get("chat") if isinstance(message, dict) else None
    if not isinstance(chat, dict) or chat.get("type") != "private":
        return None
    chat_id = chat.get("id")
    if not isinstance(chat_id, int) or abs(chat_id) >= BIGINT_MAX:
        return None  # never Telegram's; what cannot be kept must not keep others from it
    text = _stored(raw, update_id)
    return None if text is None else Update(update_id, chat_id, _event(kind, chat_id, body)[:200], text)


def group_request_of(raw: Any, username: str) -> Update | None:
    """What somebody asks this bot in a group, by `/predict@username`; None for everything else that is said there.

    The update is kept as one of the person's own chat, whose account pays.
    """
    update_id = id_of(raw)
    if update_id is None or not _asks_in_group(raw.get("message"), re.escape(username)):
        return None
    text = _stored(raw, update_id)
    if text is None:
        return None
    body = raw["message"]
    return Update(update_id, body["from"]["id"], _event("message", body["chat"]["id"], body)[:200], text)


def is_group_command(raw: Any) -> bool:
    """Whether somebody asks a bot in a group by `/predict@`, be it this one or another one."""
    return id_of(raw) is not None and _asks_in_group(raw.get("message"), r"\w+")


def _asks_in_group(body: Any, username_pattern: str) -> bool:
    if not username_pattern or not isinstance(body, dict):
        return False
    chat, person, text = body.get("chat"), body.get("from"), body.get("text")
    if not isinstance(chat, dict) or chat.get("type") not in GROUPS or not isinstance(person, dict):
        return False
    ids = (chat.get("id"), person.get("id"), body.get("message_id"))
    if not all(isinstance(one, int) and abs(one) < BIGINT_MAX for one in ids):
        return False
    # Somebody who writes as a channel, or as the group itself, is nobody who could pay.
    is_person = not person.get("is_bot") and body.get("sender_chat") is None
    command = rf"/predict@{username_pattern}(?!\w)"
    return is_person and isinstance(text, str) and re.match(command, text, re.IGNORECASE) is not None


def _stored(raw: dict[str, Any], update_id: int) -> str | None:
    """An update as JSON that the database takes; None where there is no way."""
    try:
        return orjson.dumps(_storable(raw)).decode()
    except (orjson.JSONEncodeError, RecursionError) as error:
        log.warning("update_not_kept", update_id=update_id, error=repr(error)[:200])
        return None


def _event(kind: str, chat_id: int, body: dict[str, Any]) -> str:
    """What happened, so that the same update is known whatever id it comes with."""
    match kind:
        case "callback_query":
            mark = [body.get("id")]
        case "my_chat_member":
            member = body.get("new_chat_member")
            mark = [body.get("date"), member.get("status") if isinstance(member, dict) else None]
        case _:
            mark = [body.get("message_id"), body.get("edit_date")]
    album = body.get("media_group_id") if kind == "message" else None
    end = album_mark(album) if isinstance(album, str) else ""
    return str(_storable(":".join(map(str, [kind, chat_id, *mark])) + end))


def _storable(value: Any) -> Any:
    """The value without what JSON in the database cannot keep: NUL, lone surrogates, numbers beyond 64 bits."""
    match value:
        case str():
            return value.replace("\0", "").encode(errors="replace").decode()
        case int() if abs(value) >= BIGINT_MAX:
            return None
        case list():
            return [_storable(one) for one in value]
        case dict():
            return {_storable(name): _storable(one) for name, one in value.items()}
        case _:
            return value


def parse(body: str, bot: Bot) -> TelegramUpdate:
    """A kept update for the handlers; one that aiogram cannot read whole is read for what they need.

    Raises:
        Unreadable: That is missing too.
    """
    raw = orjson.loads(body)
    try:
        return TelegramUpdate.model_validate(raw, context={"bot": bot})
    except (ValueError, OverflowError, OSError, TypeError, RecursionError) as error:  # a date of the year 10**20, too
        log.info("update_read_in_part", update_id=raw.get("update_id"), why=str(error)[:300])
    try:
        return TelegramUpdate.model_validate(_needed(raw), context={"bot": bot})
    except (ValueError, AttributeError, KeyError, TypeError, StopIteration) as error:
        raise Unreadable(repr(error)[:300]) from error


def has_content(message: Message) -> bool:
    """Whether a person sent it on purpose, such as a picture, even one that could not be read."""
    if getattr(message, "unread_content", False):  # kept by `parse`
        return True
    return any(getattr(message, kind, None) is not None for kind in CONTENT)


def language_code(body: str) -> str | None:
    """The person's language in Telegram, where an update says it."""
    raw = orjson.loads(body)
    found: dict[str, Any] = next((raw[kind] for kind in KINDS if isinstance(raw.get(kind), dict)), {})
    code: str | None = _person(found.get("from"), 0)["language_code"]
    return code


def _needed(raw: dict[str, Any]) -> dict[str, Any]:
    kind = next(kind for kind in KINDS if isinstance(raw.get(kind), dict))
    body = raw[kind]
    read = {
        "message": _message, "edited_message": _message, "callback_query": _query, "my_chat_member": _member,
    }[kind]  # fmt: skip
    return {"update_id": raw["update_id"], kind: read(body)}


def _message(body: dict[str, Any]) -> dict[str, Any]:
    chat_id, kind = body["chat"]["id"], body["chat"].get("type")
    is_group = kind in GROUPS
    made: dict[str, Any] = {
        "message_id": body["message_id"],
        "date": 0,
        "chat": {"id": chat_id, "type": kind if is_group else "private"},
        "from": _person(body.get("from"), body["from"]["id"] if is_group else chat_id),
    }
    if is_group and body.get("is_topic_message") is True:
        made["is_topic_message"] = True
    made["unread_content"] = any(body.get(name) is not None for name in CONTENT)
    for name in ("text", "caption", "media_group_id"):
        if isinstance(body.get(name), str):
            made[name] = body[name]
    if isinstance(body.get("message_thread_id"), int):
        made["message_thread_id"] = body["message_thread_id"]
    document = body.get("document")
    if isinstance(document, dict) and isinstance(document.get("file_id"), str):
        kept = {name: document[name] for name in ("file_name", "file_size") if document.get(name) is not None}
        made["document"] = {"file_id": document["file_id"], "file_unique_id": document["file_id"], **kept}
    return made


def _person(person: Any, chat_id: int) -> dict[str, Any]:
    person = person if isinstance(person, dict) else {}
    language, name = person.get("language_code"), person.get("first_name")
    return {
        "id": chat_id,
        "is_bot": False,
        "first_name": name if isinstance(name, str) else "",
        "language_code": language[:LANGUAGE_CHARS_MAX] if isinstance(language, str) else None,
    }


def _query(body: dict[str, Any]) -> dict[str, Any]:
    chat_id = body["message"]["chat"]["id"]
    data = body.get("data")
    return {
        "id": str(body["id"]),
        "from": _person(body.get("from"), chat_id),
        "chat_instance": str(body.get("chat_instance", "")),
        "data": data if isinstance(data, str) else None,
        "message": _message(body["message"]),
    }


def _member(body: dict[str, Any]) -> dict[str, Any]:
    chat_id = body["chat"]["id"]
    person = _person(body.get("from"), chat_id)
    status = "kicked" if body["new_chat_member"]["status"] in {"kicked", "left"} else "member"
    more = {"until_date": 0} if status == "kicked" else {}
    return {
        "chat": {"id": chat_id, "type": "private"},
        "from": person,
        "date": 0,
        "old_chat_member": {"user": person, "status": "member"},
        "new_chat_member": {"user": person, "status": status, **more},
    }
