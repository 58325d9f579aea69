"""Log lines for a person: JSON becomes columns on a terminal, and what would command the terminal is escaped."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

from ml_service.platform.terminal import escape

_ORDER = ("debug", "info", "warning", "error", "critical")
_FOREIGN_LEVELS = re.compile(
    r"\b(DEBUG\d?|INFO|LOG|NOTICE|WARNING|ERROR|FATAL|PANIC)\b|\[(debug|info|notice|warning|error)\]"
)
_AS = {"log": "info", "notice": "info", "fatal": "error", "panic": "error", "critical": "error"}
_COLORS = {"debug": 90, "warning": 33, "error": 31}


def level_of(line: str) -> str:
    """The level of a line, ours, PostgreSQL's or RabbitMQ's; "info" where it names none."""
    value = _parsed(line)
    if value is not None:
        named = str(value.get("level", "info")).lower()
    else:
        match = _FOREIGN_LEVELS.search(line)
        named = (match[1] or match[2]).lower().rstrip("12345") if match else "info"
    named = _AS.get(named, named)
    return named if named in _ORDER else "info"


def _parsed(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "event" in value else None


def pretty(line: str) -> str:
    """A line of JSON as time, level, event and the rest; any other line as it is."""
    value = _parsed(line)
    if value is None:
        return escape(line)
    time, level, event = (str(value.pop(name, "")) for name in ("timestamp", "level", "event"))
    value.pop("service", None)
    rest = " ".join(f"{name}={_short(one)}" for name, one in value.items())
    color = _COLORS.get(level)
    shown = f"\x1b[{color}m{level:<7}\x1b[0m" if color else f"{level:<7}"
    return f"{escape(time[:19].replace('T', ' '))} {shown} {escape(event)} {escape(rest)}".rstrip()


def _short(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False, default=str)


def formatter(level: str | None) -> Callable[[str], str | None]:
    """What to print for a line; None where it is below ``level``. JSON stays JSON unless a terminal shows it."""
    is_terminal = sys.stdout.isatty()

    def show(line: str) -> str | None:
        if level and _ORDER.index(level_of(line)) < _ORDER.index(level):
            return None
        return pretty(line) if is_terminal else line

    return show
