"""Tell the supervisor how a process is: systemd's notify protocol (sd_notify(3)).

The native engine's supervisor and systemd both listen on ``NOTIFY_SOCKET``. Where nobody listens, nothing is sent.
"""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send ``state`` (``READY=1``, ``STATUS=…``, ``STOPPING=1``; lines joined by a newline) to the supervisor.

    A supervisor that has gone away is no reason for a service to fail: errors of the socket are dropped.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1.0)
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return


def ask_for_patience(time_s: float) -> None:
    """Let the supervisor wait so long from now, at least, before it gives up a start or a stop."""
    notify(f"EXTEND_TIMEOUT_USEC={round(time_s * 1_000_000)}")
