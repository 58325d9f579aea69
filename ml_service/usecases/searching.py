"""Search by anything: what a person who asks for help quotes."""

from __future__ import annotations

import re
from uuid import UUID

from ml_service.domain.credentials import SHOWN_LENGTH, TOKEN_PREFIX
from ml_service.storage import searching
from ml_service.storage.database import Session
from ml_service.storage.searching import Found

FOUND_MAX = 20
TEXT_LENGTH_MAX = 100
_BIGINT_MAX = 2**63 - 1


async def search(session: Session, text: str) -> list[Found]:
    """What this may mean: an id, a number, the beginning of an API key or of a user's name; at most a few of each.

    Of an API key only the beginning is used, which is no secret.
    """
    text = text.strip()
    if not text:
        return []
    if text.startswith(TOKEN_PREFIX):
        found = await searching.by_key_prefix(session, text[:SHOWN_LENGTH], FOUND_MAX)
    elif (id_ := _id_in(text)) is not None:
        found = await searching.by_id(session, id_)
    elif re.fullmatch(r"[#]?-?[0-9]{1,19}", text) and abs(number := int(text.lstrip("#"))) <= _BIGINT_MAX:
        found = await searching.by_number(session, number)
    else:
        found = []
    return found + await searching.by_name(session, text, FOUND_MAX)


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
