"""What can be done from Telegram beside asking: get an account, link the chat to one of the API, look around."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.bulk import BulkStatus
from ml_service.domain.credentials import Principal
from ml_service.domain.errors import InvalidInput, NotFound
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import Actor, ActorKind, Balance
from ml_service.domain.predictions import Prediction
from ml_service.domain.rate_limits import Note, unnoted
from ml_service.storage import (
    balance_changes,
    bots,
    bulk_jobs,
    bulk_results,
    canceling,
    chats,
    history_pages,
    link_codes,
    prediction_stats,
    predictions,
)
from ml_service.storage.balance_changes import BalanceChange
from ml_service.storage.chats import Chat
from ml_service.storage.database import Database, Session
from ml_service.storage.history import LAST_ID, ROWS_READ_MAX
from ml_service.storage.history_pages import Entry, Reading
from ml_service.usecases import batch_results, bulk, ledger, users
from ml_service.usecases.batch_results import BatchState

CODE_LIFETIME_S = 600.0  # SECURITY 11: at most 10 minutes
CODE_BYTES = 12  # 96 bits; SECURITY 11 asks for 64
CODES_PER_WINDOW_MAX = 10
TRIES_PER_WINDOW_MAX = 5
WINDOW_S = 300.0
CANCELED_AT_ONCE = 100
LINKED = "connected to Telegram"
"""Why credits moved, without the chat's number: the ledger outlives the account, and would name the person."""
LOOKING_S_MAX = 0.5
"""A page of a history with few entries among many lines of bulk jobs ends after this, and its buttons go on."""


async def ensure_chat(session: Session, chat_id: int, language: str, *, starting_credits: int) -> Chat:
    """The chat of this id; at its first message it gets an account with the starting credits.

    What comes back to the chat's own account after the chat was linked to another one follows to that one.
    """
    chat = await chats.get(session, chat_id)
    if chat is None:
        await chats.lock(session, chat_id)
        if await chats.get(session, chat_id) is None:
            user_id = await _add_account(session, chat_id)
            await chats.add(session, chat_id, user_id, language)
            if starting_credits:
                await ledger.grant(session, user_id, starting_credits)
        chat = await chats.get(session, chat_id)
        assert chat is not None  # noqa: S101  it was just added, or found under the lock
    if chat.is_linked and chat.own_balance > 0:
        await ledger.transfer_all(session, chat.own_user_id, chat.user_id, LINKED)
    if chat.is_silent:
        await chats.set_open(session, chat_id)
    return chat


async def _add_account(session: Session, chat_id: int) -> UUID:
    name = f"telegram_{chat_id}"
    while True:
        user_id = new_id()
        if await chats.add_account(session, user_id, name):
            return user_id
        name = f"telegram_{chat_id}_{secrets.token_hex(4)}"  # somebody registered that name by the API


@dataclass(frozen=True, slots=True)
class LinkCode:
    """A one-time code, shown once; only its hash is kept."""

    code: str
    lifetime_s: float


async def issue_code(session: Session, principal: Principal, note: Note = unnoted) -> LinkCode:
    """Make a code that links one chat to this account; ``note`` gets how many more may be made.

    Raises:
        Unauthenticated: The sign-in has ended.
        TooManyRequests: The user made many of them just now.
    """
    key = f"telegram_code:{principal.user_id}"
    await users.check_rate(session, key, hits_max=CODES_PER_WINDOW_MAX, window_s=WINDOW_S, note=note)
    code = secrets.token_urlsafe(CODE_BYTES)
    if not await link_codes.add(session, _hash(code), principal.user_id, principal.session_id, CODE_LIFETIME_S):
        raise users.unauthenticated()
    return LinkCode(code, CODE_LIFETIME_S)


async def bot_username(session: Session) -> str | None:
    """The name of the bot that ran last, for deep links."""
    return await bots.username(session)


async def check_link_rate(session: Session, chat_id: int) -> None:
    """Count one try of a code. Commit it by itself: a wrong code must not take its count back.

    Raises:
        TooManyRequests: This chat has tried many codes.
    """
    await users.check_rate(session, f"telegram_link:{chat_id}", hits_max=TRIES_PER_WINDOW_MAX, window_s=WINDOW_S)


async def look_at_code(session: Session, code: str) -> tuple[str, bytes]:
    """Whose account a code would link the chat to, before anybody agrees to it.

    Returns:
        The account's name, and what names the code for `link`.

    Raises:
        InvalidInput: The code is wrong, used or too old.
    """
    code_hash = _hash(code)
    username = await link_codes.owner(session, code_hash)
    if username is None:
        raise InvalidInput("This code is wrong, was used, or is too old.")
    return username, code_hash


async def is_linked_by(session: Session, chat: Chat, code: str) -> bool:
    """Whether this code linked the chat to the account that pays now: its deep link was opened again."""
    return await link_codes.linked_user(session, _hash(code), chat.chat_id) == chat.user_id


async def link(session: Session, chat: Chat, code_hash: bytes) -> tuple[Chat, int]:
    """Link a chat to the account whose owner made the code; its own balance follows in the same commit.

    Args:
        code_hash: From `look_at_code`.

    Returns:
        The chat as it is now, and the credits that moved; where this is repeated, those that moved the first time.

    Raises:
        InvalidInput: The code is wrong, used or too old.
    """
    user_id = await link_codes.use(session, code_hash, chat.chat_id)
    if user_id is None:
        raise InvalidInput("This code is wrong, was used, or is too old.")
    await chats.set_payer(session, chat.chat_id, user_id)
    key = f"link:{code_hash.hex()}"
    moved = await ledger.transfer_all(session, chat.own_user_id, user_id, LINKED, key=key)
    linked = await chats.get(session, chat.chat_id)
    assert linked is not None  # noqa: S101  chats are never deleted
    return linked, moved


async def unlink(session: Session, chat: Chat) -> None:
    """Let the chat pay from its own account again. What has moved stays where it is."""
    await chats.set_payer(session, chat.chat_id, chat.own_user_id)


async def start_over(session: Session, chat: Chat, dialog: str | None = None) -> None:
    """Forget the person behind a chat: its own account is closed, and the chat begins again with an empty one.

    What that account has open is canceled, and its texts are erased, by the app's background within a minute; the
    ledger keeps the amounts, without a name. A linked account of the API stays, unlinked. The number of
    the chat is kept, so that nobody gets the starting credits twice.

    Args:
        dialog: What the chat's dialog is afterwards, as JSON text: that this was done, until the person was told.
    """
    await chats.close_account(session, chat.chat_id)
    user_id = await _add_account(session, chat.chat_id)
    await chats.start_over(session, chat.chat_id, user_id, dialog)


async def get(session: Session, chat: Chat, prediction_id: UUID) -> Prediction:
    """A prediction of one of the chat's accounts.

    Raises:
        Blocked: The account that pays is blocked.
        NotFound: It is missing, or another user's: the same answer.
    """
    _check_not_blocked(chat)
    found = (await predictions.get_many(session, [prediction_id])).get(prediction_id)
    if found is None or found.user_id not in chat.user_ids:
        raise NotFound("There is no such prediction.")
    return found


async def get_batch(session: Session, chat: Chat, batch_id: UUID) -> BatchState:
    """A batch, or a bulk job, of one of the chat's accounts; raises as `get`."""
    _check_not_blocked(chat)
    for user_id in chat.user_ids:
        if found := await batch_results.state(session, user_id, batch_id):
            return found
    raise NotFound("There is no such batch.")


async def cancel_batch(database: Database, chat: Chat, batch_id: UUID) -> int:
    """Cancel what is unfinished of a batch, or a bulk job, of the chat's accounts; returns how many rows that were.

    Raises Blocked.
    """
    _check_not_blocked(chat)
    canceled = 0
    for user_id in chat.user_ids:
        async with database.autocommit() as session:
            job = await bulk_jobs.get(session, user_id, batch_id)
        if job is not None:
            canceled += await _cancel_job(database, user_id, batch_id)
            continue
        async with database.autocommit() as session:
            ids = await predictions.batch_ids(session, user_id, batch_id)
            ids = sorted(await predictions.open_among(session, ids))
        for start in range(0, len(ids), CANCELED_AT_ONCE):
            async with database.begin() as session:
                for id_ in ids[start : start + CANCELED_AT_ONCE]:
                    canceled += await canceling.cancel(session, user_id, id_) is not None
    return canceled


async def _cancel_job(database: Database, user_id: UUID, bulk_id: UUID) -> int:
    """Cancel a bulk job; returns how many lines that were, with those that the bulk feeder cancels meanwhile."""
    async with database.begin() as session:
        before = await bulk_results.count_canceled(session, bulk_id)
        await bulk_jobs.stop(session, bulk_id, user_id, BulkStatus.CANCELED, Actor(ActorKind.USER, str(user_id)))
    await bulk.cancel_open(database, user_id, bulk_id)
    async with database.autocommit() as session:
        return await bulk_results.count_canceled(session, bulk_id) - before


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some entries of a history, newest first, and the ids that others lie beyond; None: there are none on that side.

    It may be short, even empty, and yet have others on either side.
    """

    entries: list[Entry]
    newer_after: UUID | None
    older_before: UUID | None


async def history_page(
    session: Session,
    chat: Chat,
    statuses: Sequence[str] | None,
    *,
    size: int,
    before: UUID | None = None,
    after: UUID | None = None,
    rows_read_max: int = ROWS_READ_MAX,
) -> HistoryPage:
    """A page of what the chat's accounts have asked: the newest one, the one before an id, or the one after an id.

    It is bounded in the rows that are read at once, and in the time that is spent on looking for entries among many
    others.

    Raises:
        Blocked: The account is blocked.
    """
    _check_not_blocked(chat)

    def look_older(start: UUID, limit: int) -> Awaitable[Reading]:
        return history_pages.older(
            session, chat.user_ids, statuses, before=start, limit=limit, rows_read_max=rows_read_max
        )

    def look_newer(start: UUID, limit: int) -> Awaitable[Reading]:
        return history_pages.newer(
            session, chat.user_ids, statuses, after=start, limit=limit, rows_read_max=rows_read_max
        )

    if after is not None:
        found, next_id = await _look(look_newer, after, size + 1)
        page = found[:size][::-1]
        if next_id is not None:
            return HistoryPage(
                page,
                page[0].prediction.id if len(found) > size else next_id,
                page[-1].prediction.id if page else UUID(int=after.int + 1),
            )
    found, next_id = await _look(look_older, before or LAST_ID, size + 1)
    page = found[:size]
    newer_after = None
    if before is not None:
        newer_after = page[0].prediction.id if page else UUID(int=max(before.int - 1, 0))
    return HistoryPage(page, newer_after, page[-1].prediction.id if len(found) > size else next_id)


async def _look(
    read: Callable[[UUID, int], Awaitable[Reading]], start: UUID, limit: int
) -> tuple[list[Entry], UUID | None]:
    """The next ``limit`` entries, or as many as are found in the time, and the id from which to continue."""
    began = time.monotonic()
    found: list[Entry] = []
    next_id: UUID | None = start
    while next_id is not None and len(found) < limit:
        reading = await read(next_id, limit - len(found))
        found += reading.entries
        next_id = reading.next_id
        if time.monotonic() - began > LOOKING_S_MAX:
            break
    return found, next_id


async def balance(session: Session, chat: Chat, *, changes_max: int) -> tuple[Balance, list[BalanceChange]]:
    """What the account that pays has, and what changed it lately, newest first; raises Blocked."""
    _check_not_blocked(chat)
    has = await ledger.balance(session, chat.user_id)
    return has, await balance_changes.last(session, chat.user_id, changes_max)


def _check_not_blocked(chat: Chat) -> None:
    """Refuse a blocked user as the API does, whose sessions have ended and whose keys are refused."""
    if chat.is_blocked:
        raise users.blocked()


async def wait_s(session: Session, model: str, *, ahead: int, workers: int, batch_size: int) -> int:
    """Whole seconds until an answer that is asked for now, as the last answers and the queue let expect.

    Args:
        ahead: How many predictions of all are unfinished.
    """
    times = await prediction_stats.times(session, model)
    ahead_s = ahead * (times.predict_s or 0.01) / batch_size / max(workers, 1)
    # The last answers' own time already holds the queue as it was; a longer queue than then tells more.
    return max(1, math.ceil(max(times.total_s or 1.0, ahead_s)))


async def recent_failures(session: Session, *, seconds: float, limit: int) -> list[tuple[str, int]]:
    """Error codes of what was asked in the last ``seconds`` and failed, with their counts."""
    since_ms = int((time.time() - seconds) * 1000)
    return await prediction_stats.failures(session, UUID(int=since_ms << 80), limit)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
