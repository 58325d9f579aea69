"""Ports for tests."""

from __future__ import annotations

import random
import socket

from engine.native.rabbitmq import PORTS


def free_port() -> int:
    """A port that no outgoing connection takes, and that nobody listens on just now."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
