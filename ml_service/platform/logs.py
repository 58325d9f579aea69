"""Logs: one line an event, JSON for machines or coloured text for people, on standard output."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import orjson

# structlog loads rich where it is installed, 3 MB in each process, for tracebacks that show local variables: passwords,
# tokens. None stops that import; services import this module before any other that imports structlog.
_is_rich_wanted = "rich" in sys.modules
if not _is_rich_wanted:
    sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    if not _is_rich_wanted:
        del sys.modules["rich"]

SECRET_KEYS = frozenset({"password", "token", "access_token", "refresh_token", "secret", "authorization", "api_key"})


def _hide_secrets(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for key in SECRET_KEYS & event.keys():
        event[key] = "…"
    return event


def _to_json(event: Any, **_options: Any) -> str:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode(errors="replace")
    except orjson.JSONEncodeError:  # a file's name may have lone surrogates; no line may end its service
        return json.dumps(event, default=str)


def set_up_logs(service: str, *, level: str, style: str) -> None:
    """Send structlog's and the standard library's events to standard output as ``service``.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        style: ``json`` or ``console``.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if style == "json" else structlog.processors.StackInfoRenderer(),
        _hide_secrets,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # not rich's, see above
        )
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        # Our own events go straight out: the way through the standard library costs several times as much a line.
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell of every reconnect with a stack trace; our own line says the same in a sentence.
    for chatty in ("aio_pika", "aiormq", "asyncio", "sqlalchemy", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))
    structlog.contextvars.bind_contextvars(service=service)
