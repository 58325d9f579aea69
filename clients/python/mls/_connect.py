"""Where the service is and who asks: what was given, else the environment."""

from __future__ import annotations

import os
import re
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
            ValueError: There is no URL, or none that can be used; a key and a user name, or one of user name and
                password without the other; or what no key, name or password can be. It quotes nothing of them.
        """
        url = (url or os.environ.get("MLS_URL") or "").strip()
        if not url:
            raise ValueError("Say where the service is: Client(url) or MLS_URL.")
        _check_address(url)
        if api_key is None and username is None:
            api_key = os.environ.get("MLS_API_KEY")
            if not api_key or not api_key.strip():
                api_key = None
                username, password = os.environ.get("MLS_USERNAME"), password or os.environ.get("MLS_PASSWORD")
        if api_key and username:
            raise ValueError("Give an API key or a user name and password, not both.")
        if (username is None) != (password is None):
            raise ValueError("A user name and a password go together.")
        auth: httpx2.Auth | None = None
        if api_key:
            auth = KeyAuth(_checked_key(api_key))
        elif username is not None and password is not None:
            _check_text(username, password)
            auth = PasswordAuth(url.rstrip("/") + "/token", username, password)
        return cls(url, auth, {"User-Agent": f"mls/{client_version()}", "Accept": "application/json"})


def _check_address(url: str) -> None:
    """Raise ValueError where nothing can be sent to; it may have a password in it, which is not told."""
    try:
        address = httpx2.URL(url)
        is_usable = address.scheme in {"http", "https"} and bool(address.host) and not re.search(r"\s", url)
    except (httpx2.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise ValueError("The service's address (Client(url), --url or MLS_URL) must be like https://ml.example.com.")


def _checked_key(api_key: str) -> str:
    """Without what a file or a clipboard leaves around it, as the end of a line; raises ValueError."""
    key = api_key.strip()
    if not re.fullmatch("[!-~]+", key):
        raise ValueError("The API key has a character that is in no key, such as a space: copy it again.")
    return key


def _check_text(*texts: str) -> None:
    """Raise ValueError for what UTF-8 cannot hold, as the environment may."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise ValueError("The user name or the password is no text in UTF-8.") from None


def client_version() -> str:
    """The installed one."""
    try:
        return version("ml-service-client")
    except PackageNotFoundError:  # run from its sources
        return "0"
