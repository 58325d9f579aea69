"""Receives updates by asking Telegram for them. An update is confirmed only after it was kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NoReturn

import asyncpg
import orjson
import structlog
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.methods import DeleteWebhook, GetMe
from aiohttp import ClientTimeout

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.storage import bots, updates
from ml_service.storage.updates import Update
from services.bot.deps import Deps
from services.bot.failures import is_away, what_failed
from services.bot.raw_updates import KINDS, group_request_of, id_of, is_group_command, loads, update_of

log = structlog.get_logger()

POLL_S = 25
BACKOFF_S_MAX = 10.0
RETRY_AFTER_S_MAX = 300.0
IDLE_PAUSE_S = 0.05
IDLE_PAUSE_S_MAX = 5.0
SEEN_MAX = 1000


class TelegramAway(Exception):
    """Telegram did not answer as it should."""


class Offset:
    """Which update to ask for next, and how long to rest before it.

    The next id is one above the highest of the *last* answer, not of all: after a week without updates Telegram may
    begin its ids again, lower. Answers may also repeat, come in another order or shrink; one that brings nothing new is
    followed by a pause that grows, so polling never spins.
    """

    def __init__(self) -> None:
        self.next = 0
        self._seen: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._idle = 0

    def advance(self, raw: Sequence[Any], refused: set[int]) -> None:
        """Confirm an answer but for the ``refused`` ids, which have to come again."""
        ids = [id_ for id_ in map(id_of, raw) if id_ is not None]
        confirmed = [id_ for id_ in ids if not refused or id_ < min(refused)]
        if confirmed:
            self.next = max(confirmed) + 1
        marks = [(id_, str(one)[:500]) for one in raw if (id_ := id_of(one)) is not None and id_ not in refused]
        fresh = [mark for mark in marks if mark not in self._seen]
        self._seen.update(dict.fromkeys(fresh))
        while len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        self._idle = 0 if fresh else self._idle + 1

    def pause_s(self, poll_s: float) -> float:
        """How long to rest after a poll that took ``poll_s`` seconds."""
        if self._idle == 0 or poll_s >= 1.0:  # Telegram has waited for us
            self._idle = 0
            return 0.0
        return float(min(IDLE_PAUSE_S * 2.0 ** min(self._idle, 10), IDLE_PAUSE_S_MAX))


async def keep(deps: Deps, raw: Sequence[Any]) -> set[int]:
    """Keep updates, and wake the task that handles them; raises DatabaseUnavailable.

    Returns:
        Ids of updates that could not be kept now and have to come again.
    """
    are_groups_on = deps.settings.telegram_groups == "on"
    username = deps.sender.username if are_groups_on else ""
    found = [one for each in raw if (one := update_of(each) or group_request_of(each, username)) is not None]
    unclear: set[int] = set()
    if are_groups_on and not username:  # whether a command is ours is known once `introduce` has ended
        unclear = {each["update_id"] for each in raw if is_group_command(each)}
    if not found:
        return unclear
    try:
        async with deps.database.autocommit() as session:
            _, refused = await updates.keep(session, deps.bot_id, found)
    except asyncpg.DataError:
        refused = set()
        for update in found:
            refused |= await _keep_one(deps, update)
    deps.arrived.set()
    return refused | unclear


async def _keep_one(deps: Deps, update: Update) -> set[int]:
    """Store one update by itself where a group of them failed: one bad update must not block the others."""
    try:
        async with deps.database.autocommit() as session:
            return (await updates.keep(session, deps.bot_id, [update]))[1]
    except asyncpg.DataError as error:
        log.warning("update_not_kept", update_id=update.update_id, error=repr(error)[:200])
        return set()


async def introduce(deps: Deps) -> None:
    """Wait until Telegram knows us, and remember the name for deep links; a refused token is reported and retried."""
    tries = 0
    while True:
        try:
            me = await deps.sender.bot(GetMe(), request_timeout=10)
            deps.sender.username = me.username or ""
            if me.username:
                async with deps.database.autocommit() as session:
                    await bots.set_name(session, deps.bot_id, me.username)
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)
        except Exception as error:
            if not is_away(error):
                raise
            deps.health.failed(what_failed(error))
            log.warning("telegram_away", error=what_failed(error))
        else:
            log.info("telegram_knows_us", username=me.username)
            return
        tries += 1
        await asyncio.sleep(min(2.0 ** min(tries, 8) / 2, BACKOFF_S_MAX))


async def poll(deps: Deps) -> NoReturn:
    """Ask Telegram for updates until cancelled."""
    deps.health.enter("polling")
    loop = asyncio.get_running_loop()
    offset, failures, is_webhook_deleted = Offset(), 0, False
    while True:
        began = loop.time()
        try:
            if not is_webhook_deleted:
                await deps.sender.bot(DeleteWebhook(), request_timeout=10)  # the other way excludes this one
                is_webhook_deleted = True
            raw = await _get_updates(deps, offset.next)
            refused = await keep(deps, raw)
        except DatabaseUnavailable as error:
            log.warning("updates_not_kept", error=error.message)  # not confirmed: they come again
            await asyncio.sleep(1.0)
            continue
        except Exception as error:
            if not is_away(error) and not isinstance(error, TelegramAway):
                raise
            failures += 1
            is_webhook_deleted = False
            deps.health.failed(what_failed(error))
            log.warning("poll_failed", error=what_failed(error), silent_s=round(deps.health.silent_s))
            await asyncio.sleep(min(0.25 * 2.0 ** min(failures, 8), BACKOFF_S_MAX))
            continue
        failures = 0
        deps.health.heard()
        offset.advance(raw, refused)
        await asyncio.sleep(offset.pause_s(loop.time() - began))


async def _get_updates(deps: Deps, offset: int) -> list[Any]:
    """One long poll, as Telegram sends it: an update that aiogram cannot read must not hide the others."""
    http = deps.sender.bot.session
    assert isinstance(http, AiohttpSession)  # noqa: S101  made by wiring.py
    url = http.api.api_url(token=deps.sender.bot.token, method="getUpdates")
    fields = {"offset": str(offset), "timeout": str(POLL_S), "allowed_updates": orjson.dumps(KINDS).decode()}
    session = await http.create_session()
    async with session.post(url, data=fields, timeout=ClientTimeout(total=POLL_S + 10)) as response:
        content = await response.read()
    wait_s = 0.0
    try:
        answer = loads(content)
        if answer["ok"] is True and isinstance(answer["result"], list):
            return list(answer["result"])
        why = f"{response.status} {answer.get('description')}"
        wait_s = float((answer.get("parameters") or {}).get("retry_after") or 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        why = f"{response.status}, and not what the Bot API answers"
    if wait_s > 0:
        log.warning("telegram_asks_to_wait", retry_after_s=wait_s)
        await asyncio.sleep(min(wait_s, RETRY_AFTER_S_MAX))
    raise TelegramAway(why)
