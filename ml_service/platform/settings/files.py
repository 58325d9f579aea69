"""Reads one `.env` file by python-dotenv's rules; what it would pass over in silence is refused here."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

SIZE_MAX_BYTES = 1_000_000
_SHOWN_CHARS_MAX = 40
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SettingsError(Exception):
    """A setting, or a file of settings, is wrong; the message is one sentence or two that say what and where."""


def read_file(file: Path) -> dict[str, str]:
    """The settings of an optional `.env` file, names in capitals; an empty value counts as not set.

    Raises:
        SettingsError: it cannot be read, or one of its lines is not understood.
    """
    return {name.upper(): value for name, value in read_as_written(file).items() if value}


def read_as_written(file: Path) -> dict[str, str]:
    """What an optional `.env` file says, with each name as it is spelled there, and empty values.

    Names without a `=` are left out: Compose takes their values from the environment, which counts most anyway.

    Raises:
        SettingsError: as `read_file`.
    """
    text, _ = _understood(file)
    values = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in values.items() if value is not None}


def all_values(file: Path, setting: str) -> list[str]:
    """Each value that an optional `.env` file gives to a setting, in any spelling of its name; the last one counts.

    Raises:
        SettingsError: as `read_file`.
    """
    _, bindings = _understood(file)
    values = []
    for place, one in enumerate(bindings, start=1):
        if one.key is not None and one.key.upper() == setting:
            so_far = "".join(each.original.string for each in bindings[:place])
            values.append(dotenv_values(stream=io.StringIO(so_far))[one.key])
    return [value for value in values if value]


def _understood(file: Path) -> tuple[str, list[Binding]]:
    text = _text(file) or ""
    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        if binding.error:
            raise SettingsError(f"{file}, {_place(binding)} is not of the form NAME=value.")
        if binding.key is not None and not _NAME.fullmatch(binding.key):
            raise SettingsError(
                f"{file}, {_place(binding)}: a setting's name has letters, digits and underscores only."
            )
    return text, bindings


def _place(binding: Binding) -> str:
    """The line's number and first word: the rest may be a secret."""
    text = binding.original.string
    words = text.strip()
    line = binding.original.line + text[: text.find(words)].count("\n")
    first = re.split(r"[=:\s]", words, maxsplit=1)[0]
    return f"line {line} ({first[:_SHOWN_CHARS_MAX]!r} …)"


def _text(file: Path) -> str | None:
    try:
        if not file.exists() and not file.is_symlink():
            return None
        if not file.is_file():
            raise SettingsError(f"{file} is not a file.")
        if file.stat().st_size > SIZE_MAX_BYTES:
            raise SettingsError(f"{file} is larger than {SIZE_MAX_BYTES:,} bytes.")
        data = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError(f"{file}, line {line} is not UTF-8. Save the file as UTF-8.") from None
    if "\0" in text:
        raise SettingsError(f"{file} is not UTF-8 (it may be UTF-16). Save the file as UTF-8.")
    return text
