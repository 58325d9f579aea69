"""What start.py's native engine reads besides the app's settings."""

from __future__ import annotations

import ipaddress
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, SecretStr

from ml_service.platform.settings.app import AppSettings

PORT_MAX = 65_535


class PublishedAddress(NamedTuple):
    """Where the service is reached: the port, and the address if only one of this machine's has it."""

    host: str
    port: int


def _published(value: object) -> PublishedAddress:
    """`80`, `127.0.0.1:80` or `[::1]:80`, as Compose publishes it."""
    host, _, port = str(value).rpartition(":")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= PORT_MAX:
        raise ValueError(f"must be a port from 1 to {PORT_MAX}, or an address with one, such as 127.0.0.1:80")
    return PublishedAddress(str(ipaddress.ip_address(host.strip("[]"))) if host else "", int(port))


PublishedPort = Annotated[PublishedAddress, BeforeValidator(_published)]


class EngineSettings(AppSettings):
    """The app's settings, and how many processes there are and where they listen."""

    host: str = "0.0.0.0"  # noqa: S104 - the printed address is the one that others may reach
    http_port: PublishedPort | None = None
    ml_workers: int | None = Field(None, ge=1)
    app_processes: int | None = Field(None, ge=1, le=64)
    database_url: str = ""  # empty: a PostgreSQL of the engine's own
    telegram_token: SecretStr = SecretStr("")
