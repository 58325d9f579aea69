"""Who asks: an API key, or a user name and a password for tokens that are renewed by themselves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Generator

import httpx2

from mls.errors import read_as
from mls.types import Tokens

RENEW_BEFORE_S = 30.0
"""A token that ends so soon is renewed first; clocks differ, and a request takes time."""
RENEWAL_S = 30.0
"""Until the service has answered with a token; less where the request that needs it has less time."""


class KeyAuth(httpx2.Auth):
    """An API key (``mls_…``)."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Send the key along."""
        request.headers["Authorization"] = self._header
        yield request


class PasswordAuth(httpx2.Auth):
    """A user's password, sent once: then a refresh token is exchanged for the next pair of tokens.

    A refresh token is good for one exchange, so that one request at a time renews and the others wait for it.
    """

    def __init__(self, token_url: str, username: str, password: str) -> None:
        self._url = token_url
        self._sign_in = {"username": username, "password": password}
        self._tokens: Tokens | None = None
        self._fresh_until = 0.0
        self._lock = threading.Lock()
        self._async_lock = asyncio.Lock()

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Send a token along; renew it before it ends, and where the service no longer takes it."""
        for is_again in (False, True):
            used = self._tokens
            if is_again or not self._is_fresh:
                with self._lock:
                    while self._tokens is used or self._tokens is None:  # else another thread has renewed it
                        response = yield self._renewal(request)
                        response.read()
                        self._take(response)
            response = yield self._signed(request)
            if response.status_code != httpx2.codes.UNAUTHORIZED:
                return

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The same for tasks."""
        for is_again in (False, True):
            used = self._tokens
            if is_again or not self._is_fresh:
                async with self._async_lock:
                    while self._tokens is used or self._tokens is None:
                        response = yield self._renewal(request)
                        await response.aread()
                        self._take(response)
            response = yield self._signed(request)
            if response.status_code != httpx2.codes.UNAUTHORIZED:
                return

    @property
    def _is_fresh(self) -> bool:
        return self._tokens is not None and time.monotonic() < self._fresh_until

    def _renewal(self, request: httpx2.Request) -> httpx2.Request:
        """By the refresh token if there is one, else by the password; in no more time than ``request`` has."""
        form = self._sign_in
        if self._tokens is not None:
            form = {"grant_type": "refresh_token", "refresh_token": self._tokens.refresh_token}
        timeouts = {name: min(time_s, RENEWAL_S) for name, time_s in request.extensions["timeout"].items()}
        return httpx2.Request("POST", self._url, data=form, extensions={"timeout": timeouts})

    def _take(self, response: httpx2.Response) -> None:
        """Take the tokens of an answer, or forget those with which the session has ended; raises ApiError."""
        if response.status_code == httpx2.codes.UNAUTHORIZED and self._tokens is not None:
            self._tokens = None
            return
        self._tokens = read_as(Tokens, response)
        lifetime_s = self._tokens.expires_in
        self._fresh_until = time.monotonic() + lifetime_s - min(RENEW_BEFORE_S, lifetime_s / 2)

    def _signed(self, request: httpx2.Request) -> httpx2.Request:
        assert self._tokens is not None  # noqa: S101  renewed just now
        request.headers["Authorization"] = f"Bearer {self._tokens.access_token}"
        return request
