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
_REFUSED = (Decision.INSUFFICIENT_CREDITS, Decision.TOO_MANY_OPEN)


class Intake:
    """Accepts submissions, many at a time."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        # One round of singles at a time: two would be half as full, and as dear each. Batches go beside them.
        # Where the database is frozen, rounds that wait for each other must not add up their times.
        timeout_s = database.timeout_s
        self._singles: Gather[Submission, Outcome] = Gather(
            self._commit, calls_max=256, rounds_max=1, timeout_s=timeout_s, linger_s=LINGER_S
        )
        self._batches: Gather[Submission, Outcome] = Gather(
            self._commit, calls_max=1, rounds_max=2, timeout_s=timeout_s
        )

    async def submit(self, submission: Submission) -> Outcome:
        """Accept or refuse one request; when this returns ``accepted``, it is committed.

        Raises:
            DatabaseUnavailable: Nothing was accepted, or (if the connection broke, or the time ended, at the very
                commit) nobody knows: the client repeats the request with its Idempotency-Key.
        """
        outcome = await self._ask(submission)
        if outcome.decision is Decision.TWIN or (submission.key is not None and outcome.decision in _REFUSED):
            # It may have waited for a twin that was accepted meanwhile, and have been refused for what that one spent.
            # Now the twin is seen.
            outcome = await self._ask(submission)
        if outcome.decision is Decision.INSUFFICIENT_CREDITS and submission.cost <= outcome.balance:
            # Refused only for standing behind other refused requests of the same user: ask again, alone.
            alone = (await self._commit([submission]))[0]
            if isinstance(alone, Exception):
                raise alone
            outcome = alone
        return outcome

    async def _ask(self, submission: Submission) -> Outcome:
        gather = self._singles if submission.batch_id is None else self._batches
        try:
            return await gather(submission)
        except TimeoutError as error:
            raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error

    async def drain(self) -> None:
        """Wait until what has been asked so far is answered."""
        await self._singles.drain()
        await self._batches.drain()

    async def _commit(self, asked: Sequence[Submission]) -> list[Outcome | Exception]:
        try:
            async with self._database.autocommit() as session:
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
        return [*outcomes]
