"""A short name for what a request was sent by, such as "Chrome on Linux", for the list of sign-ins."""

from __future__ import annotations

import re

from starlette.types import Scope

_READ_MAX = 500
_NAME_MAX = 40
# The first that is found counts: browsers also name those that they are like.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_PROGRAM = re.compile(r"[A-Za-z][A-Za-z0-9._ -]*")


def client_name(scope: Scope) -> str | None:
    """The name by the User-Agent; None where there is none that can be read. Clients may say what they like."""
    found = [value for name, value in scope["headers"] if name == b"user-agent"]
    text = found[0][:_READ_MAX].decode("latin-1") if found else ""
    browser = next((name for token, name in _BROWSERS if token in text), None)
    if browser is None:
        program = _PROGRAM.match(text)
        return program[0].strip()[:_NAME_MAX] if program and not text.startswith("Mozilla/") else None
    system = next((name for token, name in _SYSTEMS if token in text), None)
    return f"{browser} on {system}" if system else browser
