"""Where a broker is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """The parts of ``amqp[s]://user:password@host:port/vhost[?cafile=…]``."""

    host: str
    port: int
    user: str
    password: str
    vhost: str
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read the URL; missing parts take RabbitMQ's defaults.

        Raises:
            ValueError: This is not an AMQP URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"}:
            raise ValueError("an AMQP URL begins with amqp:// or amqps://")
        secure = parts.scheme == "amqps"
        cafile = parse_qs(parts.query).get("cafile", [None])[0]
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or (5671 if secure else 5672),
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
            tls=ssl.create_default_context(cafile=cafile) if secure else None,
        )
