"""Formats of texts that outputs of a type are held to, as inputs of that type are: a `date` that holds "many" is none.

Those that pydantic writes into schemas (https://docs.pydantic.dev/latest/concepts/json_schema/), each by the class
that pydantic makes of such a text. JSON Schema's own rules are stricter in places where pydantic writes something
else: a date and time without an offset, a negative duration, an address of the web with a `|`.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import MultiHostUrl, Url

_DURATION = re.compile(
    r"[+-]?P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?", re.ASCII | re.IGNORECASE
)


def _read_by(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, re.error, OverflowError, RecursionError):
            return False
        return True

    return holds


def _anything(_text: str) -> bool:
    return True


_UUIDS = ["uuid", *(f"uuid{version}" for version in range(1, 9))]
_LEFT_OPEN = (
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "uri-reference",
    "uri-template",
    "iri",
    "iri-reference",
    "json-pointer",
    "relative-json-pointer",
)
"""No type of an input checks these: an author who names one in a schema makes a remark."""

FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": _read_by(dt.date.fromisoformat),
    "date-time": _read_by(dt.datetime.fromisoformat),
    "time": _read_by(dt.time.fromisoformat),
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "uri": _read_by(Url),
    "multi-host-uri": _read_by(MultiHostUrl),
    "ipv4": _read_by(ipaddress.IPv4Address),
    "ipv6": _read_by(ipaddress.IPv6Address),
    "ipv4network": _read_by(ipaddress.IPv4Network),
    "ipv6network": _read_by(ipaddress.IPv6Network),
    "ipv4interface": _read_by(ipaddress.IPv4Interface),
    "ipv6interface": _read_by(ipaddress.IPv6Interface),
    "ipvanyaddress": _read_by(ipaddress.ip_address),
    "ipvanynetwork": _read_by(ipaddress.ip_network),
    "ipvanyinterface": _read_by(ipaddress.ip_interface),
    "regex": _read_by(re.compile),
    **dict.fromkeys(_UUIDS, _read_by(uuid.UUID)),
    **dict.fromkeys(_LEFT_OPEN, _anything),
}
