"""The settings of the Telegram bot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from ml_service.platform.settings.common import EdgeSettings, is_weak

_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
PLACEHOLDER = "paste-the-token-from-BotFather-here"
"""In the .env.example."""
_TELEGRAM = "https://api.telegram.org"
_WEBHOOK_URL = re.compile(
    r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9/._~%!$&'()*+,;=:@-]*)?", re.ASCII
)
_WEBHOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")
_WEBHOOK_SECRET_LENGTH_MIN = 16


class BotSettings(EdgeSettings):
    """The bot's settings."""

    service: ClassVar[str] = "bot"

    database_url: str = "postgresql://ml_service_bot@127.0.0.1/ml_service"
    alive_file: Path | None = None  # touched every few seconds while the bot is well
    telegram_token: SecretStr = SecretStr("")  # from @BotFather; empty or no token: the bot rests
    telegram_api_url: str = Field(_TELEGRAM, pattern=r"^https?://")
    telegram_webhook_url: str = ""  # where Telegram reaches the bot by HTTPS; empty: the bot asks Telegram (polling)
    telegram_webhook_secret: SecretStr = SecretStr("")  # A-Z a-z 0-9 _ -; empty: one is derived from the token
    telegram_messages_per_s_max: float = Field(25.0, gt=0, le=30)  # over all chats; several replicas share it out
    telegram_groups: Literal["off", "on"] = "off"  # whether /predict@bot in a group is answered, at the asker's cost
    bot_host: str = "127.0.0.1"
    bot_port: int = Field(8081, ge=0, le=65535)  # health, and the webhook; 0: no health address

    @field_validator("telegram_groups", mode="before")
    @classmethod
    def _lower_groups(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _webhook_url_is_one(self) -> Self:
        url = self.telegram_webhook_url
        # Telegram itself calls by HTTPS only; a Bot API server of one's own may stand in the same network.
        is_secure = url.startswith("https://") or self.telegram_api_url.rstrip("/") != _TELEGRAM
        if url and not (is_secure and _WEBHOOK_URL.fullmatch(url)):
            raise ValueError(
                "TELEGRAM_WEBHOOK_URL must be an HTTPS address without a query, such as https://bot.example.com/telegram"
            )
        return self

    @model_validator(mode="after")
    def _webhook_secret_is_one(self) -> Self:
        secret = self.telegram_webhook_secret.get_secret_value()
        if not _WEBHOOK_SECRET.fullmatch(secret):
            raise ValueError("TELEGRAM_WEBHOOK_SECRET consists of letters, digits, _ and -, at most 256")
        if self.mode == "production" and secret and (len(secret) < _WEBHOOK_SECRET_LENGTH_MIN or is_weak(secret)):
            raise ValueError(
                f"MODE=production needs a random TELEGRAM_WEBHOOK_SECRET of at least {_WEBHOOK_SECRET_LENGTH_MIN}"
                " characters, or none: then it is derived from the token"
            )
        return self

    @property
    def bot_token(self) -> str | None:
        """The Telegram bot's token; None where there is none, or a placeholder in its place."""
        token = self.telegram_token.get_secret_value().strip()
        return token if _TOKEN.fullmatch(token) else None

    @property
    def token_problem(self) -> str:
        """Why the bot has no token to work with, as the end of a sentence; empty where it has one."""
        token = self.telegram_token.get_secret_value().strip()
        if self.bot_token is not None:
            return ""
        if not token or token == PLACEHOLDER:
            return "services/bot/.env has no TELEGRAM_TOKEN"
        number, colon, rest = token.partition(":")
        if not colon:
            return "TELEGRAM_TOKEN looks wrong: it has no colon"
        if not number.isdecimal():
            return "TELEGRAM_TOKEN looks wrong: before the colon stands more than a number"
        return "TELEGRAM_TOKEN looks wrong: " + (
            "after the colon stands something else than letters, digits, _ and -" if rest else "it ends at the colon"
        )
