"""The door for predictions: every edge's requests of one moment are accepted in one commit, then sent in one burst.

This is the one use case that commits by itself, because the commit is shared by requests that know nothing of each
other. It answers only after the commit; the queue is told afterwards and is not waited for.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.gather import Gather
from ml_service.storage import submissions
from ml_service.storage.database import Database
from ml_service.storage.outbox import Unsent
from ml_service.storage.submissions import Decision, Outcome, Submission
from ml_service.usecases.publisher import Publisher

log = structlog.get_logger()

LINGER_S = 0.005
"""After a commit for several requests the next one waits so long at most for the clients that were just answered to
come again. A commit costs the same for one request as for all of them."""


class Intake:
    """Accepts submissions, many at a time."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        # One round of singles at a time: two would be half as full, and as dear each. Batches go beside them.
        # Where the database is frozen, rounds that wait for each other must not add up their times.
        timeout_s = database.timeout_s
        self._singles: Gather[Submission, Outcome] = Gather(
            self._accept, calls_max=256, rounds_max=1, timeout_s=timeout_s, linger_s=LINGER_S
        )
        self._batches: Gather[Submission, Outcome] = Gather(
            self._accept, calls_max=1, rounds_max=2, timeout_s=timeout_s
        )

    async def submit(self, submission: Submission) -> Outcome:
        """Accept or refuse one request; when this returns ``accepted``, it is committed.

        Raises:
            DatabaseUnavailable: Nothing was accepted, or (if the connection broke, or the time ended, at the very
                commit) nobody knows: the client repeats the request with its Idempotency-Key.
        """
        gather = self._singles if submission.batch_id is None else self._batches
        try:
            outcome = await gather(submission)
        except TimeoutError as error:
            raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error
        if outcome.decision is Decision.INSUFFICIENT_CREDITS and submission.cost <= outcome.balance:
            # Refused only for standing behind other refused requests of the same user: ask again, alone.
            alone = (await self._accept([submission]))[0]
            if isinstance(alone, Exception):
                raise alone
            return alone
        return outcome

    async def drain(self) -> None:
        """Wait until what has been asked so far is answered."""
        await self._singles.drain()
        await self._batches.drain()

    async def _accept(self, asked: Sequence[Submission]) -> list[Outcome | Exception]:
        outcomes: list[Outcome | Exception] = [_NOT_YET] * len(asked)
        rest = list(enumerate(asked))
        while rest:
            # Twins of one key wait for each other's commit: the second then finds what the first has made.
            keys: set[tuple[object, str]] = set()
            now: list[tuple[int, Submission]] = []
            later: list[tuple[int, Submission]] = []
            for place, submission in rest:
                twin = submission.key is not None and (submission.user_id, submission.key) in keys
                (later if twin else now).append((place, submission))
                if submission.key is not None:
                    keys.add((submission.user_id, submission.key))
            for (place, _), outcome in zip(now, await self._commit([s for _, s in now]), strict=True):
                outcomes[place] = outcome
            rest = later
        return outcomes

    async def _commit(self, asked: list[Submission]) -> Sequence[Outcome | Exception]:
        try:
            async with self._database.begin() as session:
                outcomes = await submissions.submit(session, asked)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the request that caused it
            if len(asked) == 1:
                return [error]
            # One request that the schema refuses must not take its neighbours with it.
            log.warning("submissions_split", count=len(asked), error=repr(error))
            return [outcome for one in asked for outcome in await self._commit([one])]
        for submission, outcome in zip(asked, outcomes, strict=True):
            if outcome.decision is Decision.ACCEPTED and submission.batch_id is None:
                self._publisher.send([Unsent(item.id, item.pool, item.model) for item in submission.items])
        return outcomes


_NOT_YET: Exception = RuntimeError("no outcome")
