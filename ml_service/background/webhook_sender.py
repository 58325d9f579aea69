"""Sends one message to one webhook: signed, to a public address only, for a bounded time.

The address is checked where the connection is made (`_open_socket`): what a name led to before does not count, and
neither does a redirect, which is not followed. The host of the URL stays the Host header and the TLS name.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook as Signer
from yarl import URL

from ml_service.domain.addresses import Network, is_reachable
from ml_service.domain.webhooks import DeliveryFailure, FailureCode, Secret, Sent

ANSWER_BYTES_MAX = 1000
ANSWER_S_MAX = 1.0
"""How long the body of an answer is waited for: the status says all."""
DNS_S = 3.0
USER_AGENT = "ML-Service-Webhooks/1"
_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_GONE = 410


class AddressRefused(OSError):
    """A connection to a private or reserved address was refused before it was made."""


class WebhookSender:
    """Sends messages until it is closed.

    Args:
        networks: Networks that may be connected to in addition to public addresses.
        dns: Of `aiodns.DNSResolver`, for tests; None: as the host is configured.
    """

    def __init__(self, networks: Sequence[Network], dns: dict[str, Any] | None = None) -> None:
        self._networks = tuple(networks)
        self._dns = {"timeout": DNS_S, "tries": 2, **(dns or {})}
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make the client; connects to nothing."""
        # A connection for each message: each address is checked, and no message waits on a half-dead connection.
        connector = aiohttp.TCPConnector(
            resolver=_CheckingResolver(self._networks, self._dns),
            socket_factory=self._open_socket,
            use_dns_cache=False,
            force_close=True,
            limit=0,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Cut what is under way."""
        if self._session is not None:
            await self._session.close()

    async def send(self, url: str, id_: str, body: bytes, secret: Secret) -> Sent:
        """Send a message once. The caller bounds the time; a TimeoutError is its own."""
        assert self._session is not None  # noqa: S101  started
        try:
            async with self._session.post(
                URL(url), data=io.BytesIO(body), headers=_signed(id_, body, secret), allow_redirects=False
            ) as response:
                return _judged(response, await _beginning(response))
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                raise
            return Sent(None, _failure(error))

    def _open_socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, place = address
        if not is_reachable(place[0], self._networks):
            raise AddressRefused(place[0])
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(0)
        return opened


class _CheckingResolver(AbstractResolver):
    """Looks names up, without threads: names that are never answered hold up no others. Says early what is refused."""

    def __init__(self, networks: Sequence[Network], dns: dict[str, Any]) -> None:
        self._networks = networks
        self._resolver = aiohttp.AsyncResolver(**dns)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            if not is_reachable(one["host"], self._networks):
                raise AddressRefused(one["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _signed(id_: str, body: bytes, secret: Secret) -> dict[str, str]:
    now = datetime.fromtimestamp(int(time.time()), UTC)
    text = body.decode()
    secrets = [one for one in (secret.secret, secret.previous_secret) if one is not None]
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(one).sign(id_, now, text) for one in secrets),
    }


async def _beginning(response: aiohttp.ClientResponse) -> str:
    pieces = b""
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            while len(pieces) < ANSWER_BYTES_MAX and (
                piece := await response.content.read(ANSWER_BYTES_MAX - len(pieces))
            ):
                pieces += piece
    except (TimeoutError, aiohttp.ClientError):
        pass  # the status is there
    text = pieces[:ANSWER_BYTES_MAX].decode("utf-8", "replace")
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)


def _judged(response: aiohttp.ClientResponse, answer: str) -> Sent:
    status = response.status
    if status in _OK:
        return Sent(status, None, answer)
    if status in _REDIRECTS:
        place = "".join(filter(str.isprintable, response.headers.get("Location", "")))[:200]
        return Sent(status, DeliveryFailure(FailureCode.REDIRECTED, place or "nowhere"), answer)
    failure = DeliveryFailure(FailureCode.ANSWERED, str(status))
    return Sent(status, failure, answer, _retry_after_s(response), is_final=status == _GONE)


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else None  # noqa: PLR2004  years


def _is_refused(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, AddressRefused):
        error = getattr(error, "os_error", None) or error.__cause__
    return error is not None


_CODES: tuple[tuple[tuple[type[BaseException], ...], FailureCode], ...] = (
    ((aiohttp.ClientConnectorDNSError,), FailureCode.NAME_UNKNOWN),
    ((aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError), FailureCode.TLS_FAILED),
    ((aiohttp.ClientConnectorError,), FailureCode.NOT_CONNECTED),
    ((aiohttp.ServerDisconnectedError, ConnectionError), FailureCode.CLOSED),
    ((aiohttp.InvalidURL,), FailureCode.URL_INVALID),
)


def _failure(error: BaseException) -> DeliveryFailure:
    if _is_refused(error):
        return DeliveryFailure(FailureCode.ADDRESS_REFUSED)
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return DeliveryFailure(code)
    return DeliveryFailure(FailureCode.UNREADABLE, type(error).__name__)
