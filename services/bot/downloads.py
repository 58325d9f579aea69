"""Fetches the files that people send."""

from __future__ import annotations

import io

import structlog
from aiogram.types import Document

from services.bot.failures import Later, is_away, meaning_of, what_failed
from services.bot.talk import Talk

log = structlog.get_logger()

DOWNLOAD_S_MAX = 30
DOWNLOAD_ATTEMPTS_MAX = 5
"""After these the sender is told: later messages of the chat wait behind this one."""


class NotDownloaded(Exception):
    """Telegram does not give the file, and trying again would not help, or has not."""


async def download(talk: Talk, file_id: str) -> bytes:
    """The content of a file.

    Raises:
        Later: Telegram is away; try again.
        NotDownloaded: It is not to be had.
    """
    content = io.BytesIO()
    try:
        await talk.deps.sender.bot.download(file_id, destination=content, timeout=DOWNLOAD_S_MAX)
    except Exception as error:
        meaning = meaning_of(error, 1.0)
        if meaning is None and not is_away(error):
            raise
        log.warning("file_not_downloaded", attempts=talk.attempts, error=what_failed(error))
        if isinstance(meaning, Later) and talk.attempts < DOWNLOAD_ATTEMPTS_MAX:
            raise meaning from error
        raise NotDownloaded from error
    return content.getvalue()


def is_table(document: Document) -> bool:
    """Whether the name says that it is a table, not lines."""
    return (document.file_name or "").lower().endswith((".csv", ".tsv"))


def is_readable(document: Document) -> bool:
    """Whether the name says that it is a text or a table."""
    return is_table(document) or (document.file_name or "").lower().endswith(".txt")
