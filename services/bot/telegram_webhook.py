"""Receives updates by being called, and answers for the bot's health: its own address."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from urllib.parse import urlsplit

import structlog
from aiogram.methods import SetWebhook
from aiohttp import web

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.platform.settings.bot import BotSettings
from services.bot.deps import Deps
from services.bot.failures import is_away, what_failed
from services.bot.metrics import CONTENT_TYPE
from services.bot.polling import BACKOFF_S_MAX, introduce, keep
from services.bot.raw_updates import KINDS, loads

log = structlog.get_logger()

UPDATE_BYTES_MAX = 1_000_000
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  the header's name
TELEGRAM_CONNECTIONS_MAX = 40


def webhook_secret(settings: BotSettings) -> str:
    """The secret that Telegram sends with each update: the setting, or one derived from the token."""
    given = settings.telegram_webhook_secret.get_secret_value()
    return given or hashlib.sha256(f"webhook:{settings.bot_token}".encode()).hexdigest()


async def set_webhook(deps: Deps) -> None:
    """Tell Telegram where to call us; again and again until it knows."""
    tries = 0
    method = SetWebhook(
        url=deps.settings.telegram_webhook_url,
        secret_token=webhook_secret(deps.settings),
        allowed_updates=KINDS,
        max_connections=TELEGRAM_CONNECTIONS_MAX,
    )
    while True:
        try:
            await deps.sender.bot(method, request_timeout=10)
        except Exception as error:
            if not is_away(error):
                raise
            deps.health.failed(what_failed(error))
            log.warning("webhook_not_set", error=what_failed(error))
            tries += 1
            await asyncio.sleep(min(2.0 ** min(tries, 8) / 2, BACKOFF_S_MAX))
        else:
            deps.health.heard()
            log.info("webhook_set", host=urlsplit(deps.settings.telegram_webhook_url).hostname)
            return


class WebhookServer:
    """The bot's own address: its health, and in webhook mode where Telegram calls."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._secret = webhook_secret(deps.settings).encode()
        app = web.Application(client_max_size=UPDATE_BYTES_MAX)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        if deps.settings.telegram_webhook_url:
            path = urlsplit(deps.settings.telegram_webhook_url).path or "/"
            app.router.add_post(path, self._called)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
        self._introducing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; raises OSError where the port is taken."""
        if self._deps.settings.telegram_webhook_url:  # each process is called, and has to know its name in groups
            self._introducing = asyncio.create_task(self._introduce())
        await self._runner.setup()
        settings = self._deps.settings
        await web.TCPSite(self._runner, settings.bot_host, settings.bot_port).start()

    async def close(self) -> None:
        """Finish the requests that are here, and listen no more."""
        if self._introducing is not None:
            self._introducing.cancel()
            await asyncio.gather(self._introducing, return_exceptions=True)
        await self._runner.cleanup()

    async def _introduce(self) -> None:
        while True:
            try:
                await introduce(self._deps)
            except Exception:
                log.exception("introduction_failed")
                await asyncio.sleep(BACKOFF_S_MAX)
            else:
                return

    async def _health(self, _request: web.Request) -> web.Response:
        health = self._deps.health
        return web.json_response(health.describe(), status=200 if health.is_well else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        """For who asks this address itself: a proxy speaks for others."""
        if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
            return web.Response(status=404)
        text = await asyncio.to_thread(self._deps.metrics.text)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _called(self, request: web.Request) -> web.Response:
        secret = request.headers.get(SECRET_HEADER, "").encode(errors="replace")
        if not hmac.compare_digest(secret, self._secret):
            return web.Response(status=401)
        try:
            raw = loads(await request.read())
        except (ValueError, RecursionError):
            return web.Response(status=400)
        try:
            refused = await keep(self._deps, [raw])
        except DatabaseUnavailable:
            refused = {0}
        if refused:
            return web.Response(status=503, headers={"Retry-After": "1"})  # Telegram sends it again
        self._deps.health.heard()
        return web.Response()
