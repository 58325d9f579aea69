"""The settings of the app."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from ml_service.platform.settings.common import SECRET_LENGTH_MIN, EdgeSettings, RetentionSettings, is_weak


def _port_ranges(text: str) -> tuple[range, ...]:
    ends = (part.strip().partition("-") for part in text.split(","))
    return tuple(range(int(first), int(last or first) + 1) for first, _, last in ends)


class AppSettings(EdgeSettings, RetentionSettings):
    """The API's settings."""

    service: ClassVar[str] = "app"

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)

    # Accounts and tokens.
    jwt_secret: SecretStr = SecretStr("")
    access_token_lifetime_s: int = Field(900, ge=30)
    refresh_token_lifetime_s: int = Field(30 * 86400, ge=60)
    wrong_passwords_max: int = Field(5, ge=1)  # SECURITY: the 6th within the window is refused
    wrong_passwords_window_s: int = Field(300, ge=1)
    api_keys_per_user_max: int = Field(100, ge=1)
    registration: Literal["open", "closed"] = "open"  # by the API; chats of the bot still get one
    registrations_per_hour_max: int = Field(60, ge=1)  # for each address
    registrations_in_all_per_hour_max: int = Field(1000, ge=1)
    trusted_proxies: str = ""  # addresses whose X-Forwarded-For is believed, comma-separated
    metrics_networks: str = "127.0.0.0/8,::1"  # who may read /metrics, comma-separated
    cors_origins: str = ""  # whose pages may ask the API, comma-separated, or *; without cookies in any case
    root_path: str = ""  # what a proxy in front takes away from the beginning of each path, such as /ml
    bot_username: str = ""  # for deep links; empty: the name that the bot stored last

    support_credits_per_day_max: int = Field(1000, ge=0, le=1_000_000_000)  # what each with the role support may give

    # Requests.
    connections_max: int = Field(10_000, ge=16)  # of one process; fewer where the limit of open files is low
    body_bytes_max: int = Field(2_000_000, ge=1024)
    json_values_max: int = Field(100_000, ge=100)  # of one body; parsing so many takes some 50 ms
    json_depth_max: int = Field(32, ge=2)
    page_size_max: int = Field(200, ge=1)
    bytes_in_flight_per_user_max: int = Field(8_000_000, ge=1)  # of large answers that are not taken yet
    bytes_in_flight_max: int = Field(64_000_000, ge=1)  # the same, of all users, for each process
    streams_per_user_max: int = Field(20, ge=1)  # of events, for each process
    streams_max: int = Field(5000, ge=1)  # they take less than 300 MB: docs/performance.md
    wait_s_max: float = Field(60.0, ge=0)
    bulk_bytes_max: int = Field(500_000_000, ge=1024)  # of one bulk job's file
    bulk_bytes_per_s_min: int = Field(10_000, ge=1)  # a file that comes more slowly, on average, is refused
    bulk_receive_s_max: float = Field(7200.0, gt=0)  # for all of a file: 500 MB at 0.6 Mbit/s
    uploads_per_user_max: int = Field(2, ge=1)  # of bulk jobs' files at a time, for each process
    uploads_max: int = Field(16, ge=1)  # the same, of all users

    # The sweep and the feeding of batches.
    resend_after_s: float = Field(3.0, gt=0, le=3600)
    lost_after_s: float = Field(30.0, gt=0)
    version_gone_s: float = Field(3600.0, gt=0)  # what no worker has been able to serve for so long fails
    feed_interval_s: float = Field(0.1, gt=0)
    idempotency_retention_s: float = Field(86400.0, gt=0)

    # Webhooks.
    webhooks_per_user_max: int = Field(10, ge=0)
    webhook_ports: str = "80,443,1024-65535"  # other services of a host, such as its mail, are not connected to
    webhook_networks: str = ""  # private networks that webhooks may be in, comma-separated
    webhook_timeout_s: float = Field(10.0, ge=1, le=60)  # of an attempt
    webhook_attempts_max: int = Field(1000, ge=8)  # under way at a time, in each process; as many slow ones besides
    webhook_failing_days_max: float = Field(5.0, gt=0)  # a receiver that fails for longer is switched off

    @field_validator("registration", mode="before")
    @classmethod
    def _lower_registration(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("trusted_proxies", "metrics_networks", "webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                ip_network(part, strict=False)
            except ValueError:
                raise ValueError(f"{part!r} is not an address or a network such as 10.0.0.0/8") from None
        return value

    @field_validator("webhook_ports")
    @classmethod
    def _are_ports(cls, value: str) -> str:
        is_list = re.fullmatch(r"\s*[0-9]{1,5}(-[0-9]{1,5})?\s*(,\s*[0-9]{1,5}(-[0-9]{1,5})?\s*)*", value)
        if not is_list or not all(1 <= ports.start < ports.stop <= 65_536 for ports in _port_ranges(value)):  # noqa: PLR2004
            raise ValueError(f"{value!r} is not a list of ports such as 80,443,8000-8999")
        return value

    @property
    def webhook_port_ranges(self) -> tuple[range, ...]:
        """The ports in WEBHOOK_PORTS."""
        return _port_ranges(self.webhook_ports)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins in CORS_ORIGINS."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())

    @model_validator(mode="after")
    def _addresses_are_addresses(self) -> Self:
        for origin in self.origins:
            if not re.fullmatch(r"\*|https?://[^/\s*]+", origin):
                raise ValueError(f"CORS_ORIGINS: not an origin such as https://example.com: {origin!r}")
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", self.root_path):
            raise ValueError(f"ROOT_PATH: not a path such as /ml, without a slash at its end: {self.root_path!r}")
        return self

    @model_validator(mode="after")
    def _production_signs_with_a_real_secret(self) -> Self:
        secret = self.jwt_secret.get_secret_value()
        if self.mode == "production" and (len(secret) < SECRET_LENGTH_MIN or is_weak(secret)):
            raise ValueError(
                f"MODE=production needs a random JWT_SECRET of at least {SECRET_LENGTH_MIN} characters"
                " (for example: openssl rand -hex 32)"
            )
        return self
