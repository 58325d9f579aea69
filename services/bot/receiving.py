"""Receives updates, by asking Telegram (polling) or by being called (webhook), and keeps them before it confirms."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.methods import DeleteWebhook, GetMe, SetWebhook
from aiohttp import ClientError, ClientTimeout, web

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.settings import Settings
from ml_service.storage import telegram, telegram_work
from ml_service.storage.telegram_work import Update
from services.bot.parts import Parts
from services.bot.sender import away, what_failed

log = structlog.get_logger()

KINDS = ["message", "callback_query", "my_chat_member"]
POLL_S = 25
BACKOFF_S_MAX = 10.0
BODY_BYTES_MAX = 1_000_000
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  the header's name
WEBHOOK_CONNECTIONS_MAX = 40
BIGINT_MAX = 2**63


class TelegramAway(Exception):
    """Telegram did not answer as it should."""


def update_of(raw: Any) -> Update | None:
    """An update of a private chat, to be kept; None for all others: a bot that was put into a group says nothing."""
    if not isinstance(raw, dict) or not isinstance(raw.get("update_id"), int):
        return None
    body = raw.get("message") or raw.get("my_chat_member") or (raw.get("callback_query") or {}).get("message")
    if not isinstance(body, dict) or not isinstance(chat := body.get("chat"), dict):
        return None
    if chat.get("type") != "private" or not isinstance(chat.get("id"), int):
        return None
    if not (0 <= raw["update_id"] < BIGINT_MAX and abs(chat["id"]) < BIGINT_MAX):
        return None  # never Telegram's; what cannot be kept must not keep others from it
    return Update(raw["update_id"], chat["id"], orjson.dumps(without_nul(raw)).decode())


def without_nul(value: Any) -> Any:
    """The value without NUL, the one character that the database cannot keep."""
    match value:
        case str():
            return value.replace("\0", "")
        case list():
            return [without_nul(one) for one in value]
        case dict():
            return {without_nul(name): without_nul(one) for name, one in value.items()}
        case _:
            return value


async def keep(parts: Parts, raw: Sequence[Any]) -> None:
    """Keep updates, and wake whoever handles them; raises DatabaseUnavailable."""
    updates = [update for update in map(update_of, raw) if update is not None]
    if updates:
        async with parts.database.autocommit() as session:
            await telegram_work.keep_updates(session, parts.bot_id, updates)
        parts.arrived.set()


async def introduce(parts: Parts) -> None:
    """Wait until Telegram knows us, and remember the name for deep links; a refused token is told, and tried again."""
    tries = 0
    while True:
        try:
            me = await parts.sender.bot(GetMe(), request_timeout=10)
            if me.username:
                async with parts.database.autocommit() as session:
                    await telegram.set_bot(session, parts.bot_id, me.username)
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)
        except Exception as error:
            if not away(error):
                raise
            parts.health.failed(what_failed(error))
            log.warning("telegram_away", error=what_failed(error))
        else:
            log.info("telegram_knows_us", username=me.username)
            return
        tries += 1
        await asyncio.sleep(min(2.0**tries / 2, BACKOFF_S_MAX))


async def poll(parts: Parts) -> None:
    """Ask Telegram for updates for ever. An update is confirmed only after it was kept."""
    parts.health.enter("polling")
    offset, failures = 0, 0
    while True:
        try:
            if offset == 0 or failures:
                await parts.sender.bot(DeleteWebhook(), request_timeout=10)  # the other way excludes this one
            raw = await _get_updates(parts, offset)
            await keep(parts, raw)
        except DatabaseUnavailable as error:
            log.warning("updates_not_kept", error=error.message)  # not confirmed: they come again
            await asyncio.sleep(1.0)
            continue
        except Exception as error:
            if not away(error) and not isinstance(error, TelegramAway | ClientError):
                raise
            failures += 1
            parts.health.failed(what_failed(error))
            log.warning("poll_failed", error=what_failed(error), silent_s=round(parts.health.silent_s))
            await asyncio.sleep(min(0.25 * 2.0 ** min(failures, 8), BACKOFF_S_MAX))
            continue
        failures = 0
        parts.health.heard()
        offset = max([offset, *(one["update_id"] + 1 for one in raw)])


async def _get_updates(parts: Parts, offset: int) -> list[dict[str, Any]]:
    """One long poll, as Telegram sends it: an update that aiogram cannot read must not hide the others."""
    http = parts.sender.bot.session
    assert isinstance(http, AiohttpSession)  # noqa: S101  made by service.py
    url = http.api.api_url(token=parts.sender.bot.token, method="getUpdates")
    fields = {"offset": str(offset), "timeout": str(POLL_S), "allowed_updates": orjson.dumps(KINDS).decode()}
    session = await http.create_session()
    async with session.post(url, data=fields, timeout=ClientTimeout(total=POLL_S + 10)) as response:
        content = await response.read()
    try:
        answer = orjson.loads(content)
        if answer["ok"]:
            return [one for one in answer["result"] if isinstance(one, dict) and isinstance(one.get("update_id"), int)]
        why = f"{response.status} {answer.get('description')}"
        wait_s = (answer.get("parameters") or {}).get("retry_after", 0)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        why, wait_s = f"{response.status}, and no JSON", 0
    if wait_s:
        log.warning("telegram_asks_to_wait", retry_after_s=wait_s)
        await asyncio.sleep(float(wait_s))
    raise TelegramAway(why)


def webhook_secret(settings: Settings) -> str:
    """The secret that Telegram sends with each update: the setting, or one that only who has the token can derive."""
    given = settings.telegram_webhook_secret.get_secret_value()
    return given or hashlib.sha256(f"webhook:{settings.bot_token}".encode()).hexdigest()


async def set_webhook(parts: Parts) -> None:
    """Tell Telegram where to call us; again and again until it knows."""
    tries = 0
    method = SetWebhook(
        url=parts.settings.telegram_webhook_url,
        secret_token=webhook_secret(parts.settings),
        allowed_updates=KINDS,
        max_connections=WEBHOOK_CONNECTIONS_MAX,
    )
    while True:
        try:
            await parts.sender.bot(method, request_timeout=10)
        except Exception as error:
            if not away(error):
                raise
            parts.health.failed(what_failed(error))
            log.warning("webhook_not_set", error=what_failed(error))
            tries += 1
            await asyncio.sleep(min(2.0**tries / 2, BACKOFF_S_MAX))
        else:
            parts.health.heard()
            log.info("webhook_set", host=urlsplit(parts.settings.telegram_webhook_url).hostname)
            return


class Server:
    """The bot's own address: its health, and in webhook mode where Telegram calls."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._secret = webhook_secret(parts.settings).encode()
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/health", self._health)
        if parts.settings.telegram_webhook_url:
            path = urlsplit(parts.settings.telegram_webhook_url).path or "/"
            app.router.add_post(path, self._called)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)

    async def start(self) -> None:
        """Listen; raises OSError where the port is taken."""
        await self._runner.setup()
        settings = self._parts.settings
        await web.TCPSite(self._runner, settings.bot_host, settings.bot_port).start()

    async def close(self) -> None:
        """Finish the requests that are here, and listen no more."""
        await self._runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        health = self._parts.health
        return web.json_response(health.describe(), status=200 if health.is_well else 503)

    async def _called(self, request: web.Request) -> web.Response:
        secret = request.headers.get(SECRET_HEADER, "").encode(errors="replace")
        if not hmac.compare_digest(secret, self._secret):
            return web.Response(status=401)
        try:
            raw = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return web.Response(status=400)
        try:
            await keep(self._parts, [raw])
        except DatabaseUnavailable:
            return web.Response(status=503, headers={"Retry-After": "1"})  # Telegram sends it again
        self._parts.health.heard()
        return web.Response()
