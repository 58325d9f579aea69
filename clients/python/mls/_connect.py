"""Where the service is and who asks: what was given, else the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Self

import httpx2

from mls._auth import KeyAuth, PasswordAuth


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one client; ``auth`` is None where only what is public is asked."""

    url: str
    auth: httpx2.Auth | None
    headers: dict[str, str]

    @classmethod
    def of(cls, url: str | None, api_key: str | None, username: str | None, password: str | None) -> Self:
        """Take what was given, or ``MLS_URL``, ``MLS_API_KEY``, ``MLS_USERNAME`` and ``MLS_PASSWORD``.

        Raises:
            ValueError: There is no URL, a key and a user name, or one of user name and password without the other.
        """
        url = url or os.environ.get("MLS_URL")
        if not url:
            raise ValueError("Say where the service is: Client(url) or MLS_URL.")
        if api_key is None and username is None:
            api_key = os.environ.get("MLS_API_KEY")
            if not api_key:
                username, password = os.environ.get("MLS_USERNAME"), password or os.environ.get("MLS_PASSWORD")
        if api_key and username:
            raise ValueError("Give an API key or a user name and password, not both.")
        if (username is None) != (password is None):
            raise ValueError("A user name and a password go together.")
        auth: httpx2.Auth | None = None
        if api_key:
            auth = KeyAuth(api_key)
        elif username is not None and password is not None:
            auth = PasswordAuth(url.rstrip("/") + "/token", username, password)
        return cls(url, auth, {"User-Agent": f"mls/{client_version()}", "Accept": "application/json"})


def client_version() -> str:
    """The installed one."""
    try:
        return version("ml-service-client")
    except PackageNotFoundError:  # run from its sources
        return "0"
