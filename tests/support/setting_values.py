"""A value for each setting that containers take over, other than its default; and files that hold settings."""

from __future__ import annotations

from pathlib import Path

STRONG = {"JWT_SECRET": "fK2bXw9QmZ7vLr4TnY8sDp3HcJ6gAe5u"}
"""What production asks for."""
COMMON = {
    "MODE": "demo",
    "LOG_LEVEL": "WARNING",
    "LOG_FORMAT": "console",
    "DATABASE_TIMEOUT_S": "4.25",
}
EDGE = {
    "DATABASE_CONNECTIONS_MAX": "9",
    "DEFAULT_MODEL": "echo",
    "STARTING_CREDITS": "77",
    "INPUT_BYTES_MAX": "65537",
    "BATCH_ITEMS_MAX": "999",
    "DEADLINE_S_MAX": "86401.5",
    "OPEN_PREDICTIONS_PER_USER_MAX": "998",
    "QUEUED_PREDICTIONS_MAX": "999999",
    "BULK_LINES_MAX": "999998",
    "BULK_JOBS_PER_USER_MAX": "9",
}
APP = {
    "ACCESS_TOKEN_LIFETIME_S": "901",
    "REFRESH_TOKEN_LIFETIME_S": "86402",
    "WRONG_PASSWORDS_MAX": "6",
    "WRONG_PASSWORDS_WINDOW_S": "301",
    "REGISTRATIONS_PER_HOUR_MAX": "61",
    "REGISTRATIONS_IN_ALL_PER_HOUR_MAX": "1001",
    "TRUSTED_PROXIES": "10.1.0.0/16,10.2.0.1",
    "METRICS_NETWORKS": "127.0.0.1,10.3.0.0/16",
    "CORS_ORIGINS": "https://one.example,https://two.example:8443",
    "API_KEYS_PER_USER_MAX": "101",
    "SUPPORT_CREDITS_PER_DAY_MAX": "1001",
    "REGISTRATION": "closed",
    "ROOT_PATH": "/ml",
    "BOT_USERNAME": "another_bot",
    "CONNECTIONS_MAX": "5000",
    "BODY_BYTES_MAX": "2500000",
    "JSON_VALUES_MAX": "100001",
    "JSON_DEPTH_MAX": "33",
    "PAGE_SIZE_MAX": "201",
    "BYTES_IN_FLIGHT_PER_USER_MAX": "8000001",
    "BYTES_IN_FLIGHT_MAX": "64000001",
    "STREAMS_PER_USER_MAX": "21",
    "STREAMS_MAX": "2001",
    "WAIT_S_MAX": "61.5",
    "BULK_BYTES_MAX": "400000000",
    "BULK_BYTES_PER_S_MIN": "9999",
    "BULK_RECEIVE_S_MAX": "7201.5",
    "UPLOADS_PER_USER_MAX": "3",
    "UPLOADS_MAX": "17",
    "RESEND_AFTER_S": "3.5",
    "LOST_AFTER_S": "31.5",
    "VERSION_GONE_S": "3601.5",
    "FEED_INTERVAL_S": "0.25",
    "IDEMPOTENCY_RETENTION_S": "86403.5",
    "WEBHOOKS_PER_USER_MAX": "11",
    "WEBHOOK_PORTS": "80,443,8000-8999",
    "WEBHOOK_NETWORKS": "10.4.0.0/16",
    "WEBHOOK_TIMEOUT_S": "9.5",
    "WEBHOOK_ATTEMPTS_MAX": "500",
    "WEBHOOK_FAILING_DAYS_MAX": "4.5",
    "RETENTION_DAYS": "365",
    "TEXT_RETENTION_DAYS": "90",
}
BOT = {
    "TELEGRAM_API_URL": "https://telegram.example",
    "TELEGRAM_WEBHOOK_URL": "https://bot.example/telegram/webhook",
    "TELEGRAM_MESSAGES_PER_S_MAX": "24.5",
    "TELEGRAM_GROUPS": "on",
}
WORKER = {
    "DEFAULT_MODEL": "echo",
    "MODELS": "echo,language",
    "MODELS_LEFT_OUT": "embedding",
    "WORKER_POOL": "texts",
    "MODEL_ENVIRONMENTS_FOLDER": "/srv/environments",
    "MODEL_IDLE_S": "60.5",
    "MODEL_LOAD_TIMEOUT_S": "601.5",
    "MODEL_MEMORY_BYTES_MAX": "4294967297",
    "MODEL_OUTPUT_BYTES_MAX": "1048577",
    "MODEL_RETRY_S_MAX": "3599",
    "MODEL_ENVIRONMENT": "HF_HOME,HF_TOKEN",
    "WORKER_LEASE_S": "21.5",
    "WORKER_HEARTBEAT_S": "4.5",
    "PREFETCH_BATCHES": "5",
    "ATTEMPTS_MAX": "6",
    "DRAIN_TIMEOUT_S": "24.5",
}
SECRET = {
    "JWT_SECRET": "fK2bXw9QmZ7vLr4TnY8sDp3HcJ6gAe5u",
    "TELEGRAM_TOKEN": "123456:not-a-real-one",
    "TELEGRAM_WEBHOOK_SECRET": "Qm7vLr4TnY8sDp3HcJ6gAe5u",
}
"""Passed to the container `secrets` alone."""

OF_SERVICE = {"app": COMMON | EDGE | APP, "bot": COMMON | EDGE | BOT, "ml_worker": COMMON | WORKER}
ALL = {name: value for values in OF_SERVICE.values() for name, value in values.items()}


def put(folder: Path, name: str, data: bytes) -> Path:
    """Write a file below ``folder``, which is returned."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return folder
