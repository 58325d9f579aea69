"""What several services need, and the rules that keep well-known secrets out of production."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from ml_service.platform.numbers import what_is_wrong

SECRET_LENGTH_MIN = 32
_DIFFERENT_CHARACTERS_MIN = 8
COUNT_MAX = 2**31 - 1  # the database's integers; bytes and credits are bigints there
SECONDS_MAX = 10 * 365 * 86_400  # ten years; much more would overflow the database's intervals
WEAK_SECRETS = frozenset(
    {"admin", "changeme", "change-me", "default", "guest", "ml_service", "password", "postgres", "rabbitmq"}
    | {"root", "secret", "test", "user", "1234", "12345", "123456", "12345678", "qwerty"}
)


def is_weak(secret: str) -> bool:
    """Whether a secret is a well-known word, or a short piece said again and again."""
    return secret.lower() in WEAK_SECRETS or len(set(secret)) < _DIFFERENT_CHARACTERS_MIN or _repeats(secret)


def _repeats(text: str) -> bool:
    return bool(re.fullmatch(r"(.{1,16}?)\1+", text, re.DOTALL))


def _password_of(url: str) -> tuple[str, str | None]:
    """User and password of a URL, decoded; libpq takes both from the query, too. ValueError: it is none."""
    parts = urlsplit(url)
    if "," not in parts.netloc:  # of several hosts each may have a port
        _ = parts.port  # raises: behind a # in a password, say, comes no port
    query = {name.lower(): values[-1] for name, values in parse_qs(parts.query).items()}
    user = query.get("user") or unquote(parts.username or "")
    password = query.get("password", None if parts.password is None else unquote(parts.password))
    return user, password


class CommonSettings(BaseModel):
    """The settings of every service; each is set by the environment variable of its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    service: ClassVar[str] = "app"
    """The folder of services/ whose .env file counts; the command line has the app's."""

    mode: Literal["demo", "production"] = "demo"

    # Where the parts are.
    database_url: str = "postgresql://ml_service_app@127.0.0.1/ml_service"
    database_timeout_s: float = Field(4.5, gt=0)
    queue_backend: Literal["rabbitmq", "postgres"] | None = None
    amqp_url: SecretStr | None = None

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_in_digits(cls, value: object, info: ValidationInfo) -> object:
        text = value if isinstance(value, str) else ""  # a default is no text, and an empty text may mean none
        wrong = text and what_is_wrong(text, cls.model_fields[str(info.field_name)].annotation)
        if wrong:
            raise ValueError(f"{wrong}, not {text[:40]!r}")
        return value

    @field_validator("mode", "queue_backend", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _numbers_fit_the_database(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name.endswith(("_s", "_s_max")) and value > SECONDS_MAX:
                raise ValueError(f"{name.upper()} is longer than ten years ({SECONDS_MAX} seconds)")
            if isinstance(value, int) and value > COUNT_MAX and not {"bytes", "credits"} & set(name.split("_")):
                raise ValueError(f"{name.upper()} is more than {COUNT_MAX}")
        return self

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: str) -> str:
        if value and not re.match(r"postgres(ql)?://", value):
            raise ValueError("the address of a PostgreSQL begins with postgresql://")
        return value

    @field_validator("amqp_url")
    @classmethod
    def _is_amqp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"amqps?://", value.get_secret_value(), re.IGNORECASE):
            raise ValueError("the address of a RabbitMQ begins with amqp:// or amqps://")
        return value

    @model_validator(mode="after")
    def _addresses_are_right(self) -> Self:
        if self.queue_backend == "rabbitmq" and self.amqp_url is None:
            raise ValueError("QUEUE_BACKEND=rabbitmq needs AMQP_URL")
        try:
            database = _password_of(self.database_url)
            broker = _password_of(self.amqp_url.get_secret_value()) if self.amqp_url else None
        except ValueError:
            raise ValueError("DATABASE_URL or AMQP_URL is not a URL (is the password percent-encoded?)") from None
        if self.mode == "production":
            _check_addresses(database, broker)
        return self

    @property
    def backend(self) -> Literal["rabbitmq", "postgres"]:
        """The queue backend: the one asked for, else RabbitMQ where its address is known, else PostgreSQL."""
        return self.queue_backend or ("rabbitmq" if self.amqp_url else "postgres")


def _check_addresses(database: tuple[str, str | None], broker: tuple[str, str | None] | None) -> None:
    user, password = database
    if password is not None and (password.lower() in WEAK_SECRETS or password.lower() == user.lower()):
        raise ValueError("MODE=production does not start with the well-known password in DATABASE_URL")
    if broker is None:
        return
    user, password = broker
    if not user or password is None:
        raise ValueError("MODE=production needs a user and a password in AMQP_URL: without them it is guest/guest")
    if password.lower() in WEAK_SECRETS or password.lower() == user.lower():
        raise ValueError("MODE=production does not start with the well-known password in AMQP_URL")


class RetentionSettings(CommonSettings):
    """How long predictions are kept, for the app, which drops them, and the command line; the ledger is always kept."""

    retention_days: int | None = Field(None, ge=1, le=36_500)  # of predictions with all that belongs to them
    text_retention_days: int | None = Field(None, ge=1, le=36_500)  # of inputs, outputs and error messages

    @field_validator("retention_days", "text_retention_days", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


def _starting_credits(settings: dict[str, Any]) -> int:
    return 0 if settings.get("mode") == "production" else 100


class DefaultModelSettings(CommonSettings):
    """Which model answers where a request names none, for all services and for the command line."""

    default_model: str = "sentiment"  # workers load it first

    @field_validator("default_model")
    @classmethod
    def _lower_model(cls, value: str) -> str:
        return value.lower()


class EdgeSettings(DefaultModelSettings):
    """What the services that take requests (the app and the bot) have in common."""

    database_connections_max: int = Field(10, ge=2)
    starting_credits: int = Field(default_factory=_starting_credits, ge=0, le=2**53)
    input_bytes_max: int = Field(65_536, ge=64, le=16 * 2**20)  # of one prediction's input as JSON
    batch_items_max: int = Field(1000, ge=1)
    deadline_s_max: float = Field(7 * 86400.0, gt=0)
    open_predictions_per_user_max: int = Field(1000, ge=1)
    queued_predictions_max: int = Field(1_000_000, ge=1)
    bulk_lines_max: int = Field(1_000_000, ge=1)  # of one bulk job
    bulk_jobs_per_user_max: int = Field(10, ge=1, le=20)  # unfinished ones
