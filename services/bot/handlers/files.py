"""A document or a picture for a model that takes a file: its bytes, as base64."""

from __future__ import annotations

import base64

from aiogram.types import Message

from ml_service.domain.fields import Field, plain_field
from services.bot import submitting
from services.bot.downloads import NotDownloaded, download
from services.bot.handlers import models
from services.bot.talk import Talk

CHARS_IN_JSON = 100
"""What the JSON around the base64 takes of an input, at most."""


async def take(message: Message, talk: Talk) -> bool:
    """Ask the chosen model with a file, or put it into the open form; False where there is none, or none is wanted."""
    sizes = {one.file_id: one.file_size or 0 for one in [*(message.photo or ()), message.document] if one is not None}
    if not sizes:
        return False
    if await models.is_submitted(talk):
        return True
    asked = await models.open_file_field(talk)
    spec = (await talk.listed((talk.dialog or {})["model"] if asked else None)).spec
    field = asked or plain_field(spec)
    if field is None or not field.is_file:
        return False
    content = await _content(talk, field, sizes)
    if content is not None and asked:
        await models.take_value(talk, asked, content)
    elif content is not None:
        talk.dialog = None
        await submitting.submit_checked(talk, spec, {field.name: content})
    return True


async def _content(talk: Talk, field: Field, sizes: dict[str, int]) -> str | None:
    """The file as base64; None where it is too big or not to be had, which was said."""
    bytes_max = _bytes_max(talk, field)
    # Telegram gives a picture in several sizes: the largest that the model takes.
    fitting = [file_id for file_id, size in sorted(sizes.items(), key=lambda item: item[1]) if size <= bytes_max]
    if not fitting:
        await talk.say(talk.t("file-too-big", kilobytes=bytes_max // 100 / 10), reply=True)
        return None
    try:
        return base64.b64encode(await download(talk, fitting[-1])).decode()
    except NotDownloaded:
        await talk.say(talk.t("batch-file-not-fetched"), reply=True)
        return None


def _bytes_max(talk: Talk, field: Field) -> int:
    chars_max = talk.deps.settings.input_bytes_max - CHARS_IN_JSON
    return min(chars_max, field.chars_max or chars_max) // 4 * 3
