"""Limits the messages under way to each receiver, so that no receiver delays another.

An endpoint has a window, which grows with each message that it takes and falls to one when it fails. A user has a
share of all. Slow attempts do not take places from quick ones: they move to places of their own, of which there are as
many.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

WINDOW_MAX = 8
FORGET_S = 60.0
FAILED_PAUSE_S_MAX = 60.0
USERS_SHARE = 4
BYTES_MAX = 128_000_000
USER_BYTES_MAX = 16_000_000


@dataclass(slots=True)
class _Endpoint:
    in_flight: int = 0
    window: int = 1
    failures: int = 0
    free_at: float = 0.0
    used_at: float = 0.0


@dataclass(eq=False, slots=True)
class Sending:
    """What one message under way takes."""

    endpoint: str
    user: str
    size: int
    is_slow: bool = False


class DeliveryWindows:
    """The messages under way in one process; ``attempts_max`` quick ones, and as many slow ones."""

    def __init__(self, attempts_max: int) -> None:
        self._attempts_max = attempts_max
        self._quick = 0
        self._slow = 0
        self._bytes = 0
        self._endpoints: dict[str, _Endpoint] = {}
        self._users: Counter[str] = Counter()
        self._user_bytes: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """How many more may be taken."""
        return 0 if self._bytes >= BYTES_MAX else max(0, self._attempts_max - self._quick)

    def full_users(self) -> list[str]:
        """Ids of users who have their share."""
        share = max(WINDOW_MAX, self._attempts_max // USERS_SHARE)
        large = (user for user, size in self._user_bytes.items() if size >= USER_BYTES_MAX)
        return list({*large, *(user for user, count in self._users.items() if count >= share)})

    def of_endpoints(self) -> dict[str, int]:
        """How many more each may have; for those that are not named it is one."""
        now = time.monotonic()
        self._endpoints = {
            key: one
            for key, one in self._endpoints.items()
            if one.in_flight or max(one.free_at, one.used_at) + FORGET_S > now
        }
        return {
            key: 0 if one.free_at > now else max(0, one.window - one.in_flight) for key, one in self._endpoints.items()
        }

    def enter(self, endpoint: str, user: str, size: int) -> Sending:
        """A message of ``size`` bytes goes to an endpoint of a user's."""
        one = self._endpoints.setdefault(endpoint, _Endpoint())
        one.in_flight += 1
        one.used_at = time.monotonic()
        self._quick += 1
        self._bytes += size
        self._users[user] += 1
        self._user_bytes[user] += size
        return Sending(endpoint, user, size)

    def became_slow(self, sending: Sending) -> bool:
        """Make room for quick ones; False: there are too many slow ones already, and this one must end."""
        if self._slow >= self._attempts_max:
            return False
        self._quick -= 1
        self._slow += 1
        sending.is_slow = True
        return True

    def leave(self, sending: Sending, *, is_delivered: bool | None) -> None:
        """A message is no longer under way; None: that says nothing about its receiver."""
        if sending.is_slow:
            self._slow -= 1
        else:
            self._quick -= 1
        self._bytes -= sending.size
        for counter, less in ((self._users, 1), (self._user_bytes, sending.size)):
            counter[sending.user] -= less
            if counter[sending.user] <= 0:
                del counter[sending.user]
        one = self._endpoints[sending.endpoint]
        one.in_flight -= 1
        one.used_at = time.monotonic()
        if is_delivered:
            one.window = min(one.window + 1, WINDOW_MAX)
            one.failures = 0
            one.free_at = 0.0
        elif is_delivered is False:
            one.window = 1
            one.failures += 1
            one.free_at = one.used_at + min(0.25 * 2.0 ** min(one.failures, 10), FAILED_PAUSE_S_MAX)
