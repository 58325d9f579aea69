"""Every setting of every service, read once in each entry file, from the environment and an optional .env file.

Names carry their units. A service ignores what only another one needs, so that one .env may serve them all.
What the environment says counts most, then the service's .env file, then the files of the folder that SECRETS_FOLDER
names, each of which holds the value of the setting that it is named after (the containers' generated secrets).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_LENGTH_MIN = 32
WEAK_SECRETS = frozenset({"", "guest", "test", "secret", "password", "changeme", "postgres", "admin"})


class Settings(BaseSettings):
    """The settings; each is set by the environment variable of its name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    mode: Literal["demo", "production"] = "demo"

    # Where the parts are.
    database_url: str = "postgresql://ml_service_app@127.0.0.1/ml_service"
    queue_backend: Literal["rabbitmq", "postgres"] | None = None
    amqp_url: SecretStr | None = None
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)

    alive_file: Path | None = None  # touched every few seconds while a worker or the bot is well
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    # Accounts and tokens.
    jwt_secret: SecretStr = SecretStr("")
    access_token_lifetime_s: int = Field(900, ge=30)
    refresh_token_lifetime_s: int = Field(30 * 86400, ge=60)
    starting_credits: int = Field(100, ge=0)
    wrong_passwords_max: int = Field(5, ge=1)  # SECURITY: the 6th within the window is refused
    wrong_passwords_window_s: int = Field(300, ge=1)
    registrations_per_hour_max: int = Field(60, ge=1)  # for each address
    trusted_proxies: str = ""  # addresses whose X-Forwarded-For is believed, comma-separated
    metrics_networks: str = "127.0.0.0/8,::1"  # who may read /metrics, comma-separated

    # Requests.
    default_model: str = "sentiment"
    body_bytes_max: int = Field(2_000_000, ge=1024)
    input_bytes_max: int = Field(65_536, ge=64)  # of one prediction's input as JSON
    json_depth_max: int = Field(32, ge=2)
    page_size_max: int = Field(200, ge=1)
    batch_items_max: int = Field(1000, ge=1)
    wait_s_max: float = Field(60.0, ge=0)
    deadline_s_max: float = Field(7 * 86400.0, gt=0)
    open_predictions_per_user_max: int = Field(1000, ge=1)
    queued_predictions_max: int = Field(1_000_000, ge=1)

    # The database.
    database_connections_max: int = Field(10, ge=2)
    database_timeout_s: float = Field(4.5, gt=0)

    # Workers.
    worker_name: str | None = None
    models: str = ""  # names a worker serves, comma-separated; empty: all it finds
    models_folder: Path = Path("models")
    worker_lease_s: float = Field(20.0, ge=2)
    worker_heartbeat_s: float = Field(4.0, gt=0)
    prefetch_batches: int = Field(4, ge=2)  # so much work a worker holds; more would lie idle at one
    attempts_max: int = Field(5, ge=1)
    drain_timeout_s: float = Field(25.0, gt=0)

    # The sweep and the feeding of batches.
    resend_after_s: float = Field(3.0, gt=0)
    lost_after_s: float = Field(30.0, gt=0)
    feed_interval_s: float = Field(0.1, gt=0)
    idempotency_retention_s: float = Field(86400.0, gt=0)

    # The Telegram bot.
    telegram_token: SecretStr = SecretStr("")  # from @BotFather; empty or no token: the bot rests
    telegram_api_url: str = "https://api.telegram.org"
    telegram_webhook_url: str = ""  # where Telegram reaches the bot by HTTPS; empty: the bot asks Telegram (polling)
    telegram_webhook_secret: SecretStr = SecretStr("")  # A-Z a-z 0-9 _ -; empty: one is derived from the token
    telegram_messages_per_s_max: float = Field(25.0, gt=0, le=30)  # over all chats; several replicas share it out
    bot_username: str = ""  # for deep links; empty: the one that the bot last told
    bot_host: str = "127.0.0.1"
    bot_port: int = Field(8081, ge=0, le=65535)  # health, and the webhook; 0: no health address

    @field_validator("default_model")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()

    @model_validator(mode="after")
    def _production_has_real_secrets(self) -> Self:
        if self.mode == "production":
            secret = self.jwt_secret.get_secret_value()
            if secret.lower() in WEAK_SECRETS or len(secret) < SECRET_LENGTH_MIN:
                raise ValueError(
                    f"MODE=production needs a JWT_SECRET of at least {SECRET_LENGTH_MIN} characters"
                    " (for example: openssl rand -hex 32)"
                )
            if self.amqp_url and "guest:guest@" in self.amqp_url.get_secret_value():
                raise ValueError("MODE=production does not start with RabbitMQ's guest/guest in AMQP_URL")
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", self.telegram_webhook_secret.get_secret_value()):
            raise ValueError("TELEGRAM_WEBHOOK_SECRET consists of letters, digits, _ and -, at most 256")
        if self.queue_backend == "rabbitmq" and self.amqp_url is None:
            raise ValueError("QUEUE_BACKEND=rabbitmq needs AMQP_URL")
        return self

    @property
    def backend(self) -> Literal["rabbitmq", "postgres"]:
        """The queue backend: the one asked for, else RabbitMQ where its address is known, else PostgreSQL."""
        return self.queue_backend or ("rabbitmq" if self.amqp_url else "postgres")

    @property
    def bot_token(self) -> str | None:
        """The Telegram bot's token; None where there is none, or a placeholder in its place."""
        token = self.telegram_token.get_secret_value().strip()
        return token if re.fullmatch(r"\d+:[A-Za-z0-9_-]+", token) else None


def read_settings(service: str | None = None) -> Settings:
    """Read the settings for ``service`` (a folder of services/), whose .env file counts less than the environment.

    SETTINGS_FOLDER and SECRETS_FOLDER in the environment say where that file is, and where files with secrets are.
    Exits with one clear sentence per wrong setting: a wrong setting is the operator's mistake, not a bug.
    """
    env_file = None
    if service is not None:
        env_file = Path(os.environ.get("SETTINGS_FOLDER") or Path("services") / service) / ".env"
    try:
        return Settings(  # type: ignore[call-arg]  # taken, but not declared
            _env_file=env_file, _secrets_dir=os.environ.get("SECRETS_FOLDER") or None
        )
    except PermissionError as error:
        raise SystemExit(f"{error.filename} may not be read by this user (id {os.getuid()}): chmod a+r it.") from None
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]).upper()
            lines.append(f"{name + ': ' if name else ''}{problem['msg'].removeprefix('Value error, ')}")
        raise SystemExit("Wrong settings. " + "; ".join(lines)) from None
