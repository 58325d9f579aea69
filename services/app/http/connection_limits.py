"""What one connection may cost, and how many there may be."""

from __future__ import annotations

import resource
from dataclasses import dataclass

import structlog

log = structlog.get_logger()

RESERVED_FILES = 256
"""Descriptors that stay free for the database, the queue, and files."""
FILES_MAX = 1_048_576
"""Where the system has no limit."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The limits of the HTTP server.

    Attributes:
        connections_max: Open at once; for one more, the one that has been waiting longest for a request is closed.
        head_bytes_max: Of a request's line and headers, and of what follows a body (trailers).
        headers_max: Header lines of one request.
        pipelined_max: Requests that are sent before the answer to an earlier one.
        body_buffered_max: Bytes of a body that are read before the app asks for them.
        head_s: Until a request's head is there, from the first byte or the connection's beginning.
        idle_s: Between two requests.
        write_check_s, write_bytes_min: A client that takes less of its answer than so much in so many seconds is cut
            off.
        linger_s, linger_silence_s, linger_bytes_max: How long, and for how much, a refused body is read and dropped, so
            that its sender gets to read the answer (RFC 9112, 9.6).
        tick_s: How often a connection looks at its deadlines; no limit in seconds may be shorter.
    """

    connections_max: int = 10_000
    head_bytes_max: int = 32_768
    headers_max: int = 200
    pipelined_max: int = 16
    body_buffered_max: int = 65_536
    head_s: float = 10.0
    idle_s: float = 75.0
    write_check_s: float = 15.0
    write_bytes_min: int = 15_000
    linger_s: float = 30.0
    linger_silence_s: float = 5.0
    linger_bytes_max: int = 64 * 1024 * 1024
    tick_s: float = 5.0


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as it may; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS names a hard limit that it does not allow
        log.warning("file_limit_not_raised", limit=soft)
        return soft
    return wanted


def connections_that_fit(wanted: int, files: int) -> int:
    """How many connections there may be with a limit of ``files`` open files."""
    fitting = max(files - RESERVED_FILES, files // 2)
    if fitting < wanted:
        log.warning("connections_limited", connections=fitting, files=files, why="the limit of open files (ulimit -n)")
    return min(wanted, fitting)
