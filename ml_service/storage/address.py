"""What is wrong with DATABASE_URL, before the first connection: later it would be an error of every statement."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg import connect_utils

_ATTRIBUTES = "target_session_attrs is one of " + ", ".join(one.value for one in connect_utils.SessionAttribute)
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")

_GIVEN_BY_THE_URL = (
    *("host", "port", "user", "password", "passfile", "database", "ssl", "direct_tls", "server_settings"),
    *("target_session_attrs", "krbsrvname", "gsslib", "service", "servicefile"),
)


def what_is_wrong(url: str) -> str | None:
    """A sentence about an option of ``url`` or a file that it names, without its password; None where all is right.

    asyncpg reads the address here as it does for a connection, the variables of libpq (PGSSLMODE …) included. It has no
    public function for that, and connects where there is no fault, so this is the one place that calls its own.
    """
    try:
        connect_utils._parse_connect_arguments(  # noqa: SLF001
            dsn=url,
            command_timeout=None,
            statement_cache_size=0,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            **dict.fromkeys(_GIVEN_BY_THE_URL),
        )
    except asyncpg.ClientConfigurationError as error:
        text = str(error).partition("\n")[0]
        # It would show a function of Python in place of the words that there are.
        return f"{_ATTRIBUTES if text.startswith('target_session_attrs') else text}."
    except OSError as error:  # ssl.SSLError is one
        return f"{_wrong_file(url) or error}."
    except ValueError:  # its text repeats what it could not read, which may be a part of the password
        return "a port or an option in it cannot be read (is the password percent-encoded?)."
    return None


def _wrong_file(url: str) -> str | None:
    """Which of the files that it names is wrong, and why; the library's error names none."""
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    files = {name: query.get(name) or os.environ.get(f"PG{name.upper()}") for name in _FILES}
    named = {name: file for name, file in files.items() if file}
    for name, file in named.items():
        try:
            Path(file).read_bytes()
        except OSError as error:
            return f"{name}: {file}: {error.strerror}"
    texts = " or ".join(f"{name} ({file})" for name, file in named.items())
    return f"{texts} holds no certificate or key that can be used" if named else None
