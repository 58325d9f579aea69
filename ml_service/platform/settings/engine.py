"""What start.py's native engine reads besides the app's settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from ml_service.platform.settings.app import AppSettings


class EngineSettings(AppSettings):
    """The app's settings, and how many processes there are and where they listen."""

    host: str = "0.0.0.0"  # noqa: S104 - the printed address is the one that others may reach
    http_port: int | None = Field(None, ge=1, le=65535)
    ml_workers: int | None = Field(None, ge=1)
    app_processes: int | None = Field(None, ge=1, le=64)
    database_url: str = ""  # empty: a PostgreSQL of the engine's own
    telegram_token: SecretStr = SecretStr("")
