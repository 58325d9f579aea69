"""Where a broker is."""

from __future__ import annotations

import re
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
            ValueError: This is not an AMQP URL, it has an option besides ``cafile``, or that file cannot be read.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"}:
            raise ValueError("an AMQP URL begins with amqp:// or amqps://")
        secure = parts.scheme == "amqps"
        cafile = _cafile(parts.query, secure=secure)
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or (5671 if secure else 5672),
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
            tls=_context(cafile) if secure else None,
        )


def _cafile(query: str, *, secure: bool) -> str | None:
    """The one option that there is; any other is refused, for it would change nothing."""
    options = parse_qs(query, keep_blank_values=True)
    for name in options:
        if name != "cafile":
            # A word may be said again; what follows a ? in a password that is not percent-encoded may not.
            shown = name if re.fullmatch(r"[a-z_]{1,40}", name) and "=" in query else "something else"
            raise ValueError(f"after its ? there may be cafile, and not {shown}")
    if options and not secure:
        raise ValueError("cafile is for amqps://")
    return options["cafile"][-1] if options else None


def _context(cafile: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cafile)
    except ssl.SSLError:
        raise ValueError(f"cafile: {cafile} holds no certificate") from None
    except OSError as error:
        raise ValueError(f"cafile: {cafile}: {error.strerror}") from None
