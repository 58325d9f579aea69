"""What clients have not taken yet: bounded, so that slow readers cannot fill this process's memory.

An answer counts while it is sent, which ends when the client has taken most of it or is cut off (connection_limits.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ml_service.domain.errors import Overloaded, TooManyRequests

SMALL_BYTES = 65_536
"""Less than this is not counted: so much of each answer the server may hold anyway."""
RETRY_AFTER_S = 1.0


class InFlight:
    """Counts one kind of thing that is being sent, in all and by user.

    Args:
        what: For the refusal: what there is too much of.
    """

    def __init__(self, what: str, *, user_max: int, total_max: int) -> None:
        self._what = what
        self._user_max = user_max
        self._total_max = total_max
        self._total = 0
        self._by_user: Counter[UUID] = Counter()

    @contextmanager
    def hold(self, user_id: UUID, size: int) -> Iterator[None]:
        """Count ``size`` meanwhile.

        Raises:
            TooManyRequests: This user would be beyond the limit; a single thing is never too much.
            Overloaded: All users together would be.
        """
        if self._by_user[user_id] and self._by_user[user_id] + size > self._user_max:
            raise TooManyRequests(f"Too many {self._what} at a time.", retry_after_s=RETRY_AFTER_S)
        if self._total and self._total + size > self._total_max:
            raise Overloaded(f"Too many {self._what} at a time.", retry_after_s=RETRY_AFTER_S)
        self._total += size
        self._by_user[user_id] += size
        try:
            yield
        finally:
            self._total -= size
            self._by_user[user_id] -= size
            if not self._by_user[user_id]:
                del self._by_user[user_id]

    def has_room(self, user_id: UUID, size: int) -> bool:
        """Whether `answer` would send so many bytes now."""
        if size < SMALL_BYTES:
            return True
        try:
            with self.hold(user_id, size):
                return True
        except (TooManyRequests, Overloaded):
            return False

    def answer(self, user_id: UUID, response: Response) -> Response:
        """``response``, counted by its bytes while it is sent."""
        size = len(response.body)
        return response if size < SMALL_BYTES else Held(response, self.hold(user_id, size))

    def stream(self, user_id: UUID, response: Response) -> Response:
        """``response``, counted as one while it lasts."""
        return Held(response, self.hold(user_id, 1))


class Held(Response):
    """A response that is sent inside of a context; what entering that raises is answered instead."""

    def __init__(self, response: Response, context: AbstractContextManager[None]) -> None:
        self.response = response
        self.context = context
        self.status_code = response.status_code
        self.raw_headers = response.raw_headers
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self.context:
            await self.response(scope, receive, send)
