"""RabbitMQ's definitions of users, for the container's server and for the native engine's node."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping
from typing import Any


def password_hash(name: str, password: str) -> str:
    """base64(salt + sha256(salt + password)); the salt is derived, so that equal definitions are equal bytes.

    https://www.rabbitmq.com/docs/passwords#computing-password-hash
    """
    salt = hashlib.sha256(f"{name}:{password}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(
    passwords: Mapping[str, str], *, administrators: Collection[str] = (), closed: Collection[str] = ()
) -> dict[str, Any]:
    """One virtual host, and its users with all rights in it; ``closed`` are users who cannot sign in."""
    users: list[dict[str, Any]] = [
        {
            "name": name,
            "password_hash": password_hash(name, password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "administrator" if name in administrators else "",
        }
        for name, password in passwords.items()
    ]
    users += [{"name": name, "password_hash": "", "tags": ""} for name in closed]
    rights = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    permissions = [{"user": name, **rights} for name in passwords]
    return {"vhosts": [{"name": "/"}], "users": users, "permissions": permissions}
