"""Group commit for submissions: concurrent requests share one transaction, then go to the queue in one burst.

This use case commits by itself, because the commit is shared by requests that know nothing of each other. It answers
only after the commit; the queue is told afterwards and is not waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.submissions import Decision, Outcome, Submission
from ml_service.platform.micro_batch import MicroBatch
from ml_service.storage import submissions
from ml_service.storage.database import Database
from ml_service.storage.outbox import OutboxEntry

log = structlog.get_logger()

LINGER_S = 0.05
LINGER_ROUNDS = 1.5
"""After a commit for several requests the next one waits for the clients that were just answered to come again: one and
a half times as long as a commit takes, 50 ms at most. A commit, and all that follows until the answers, costs nearly
the same for one request as for ten, and on a slow or busy machine both take longer."""
_REFUSED = (Decision.INSUFFICIENT_CREDITS, Decision.TOO_MANY_OPEN, Decision.KEY_CAP_EXCEEDED)
_AGAIN = (Decision.TWIN, Decision.LATE)


class GroupCommit:
    """Accepts submissions, many in one commit."""

    def __init__(self, database: Database, send: Callable[[Sequence[OutboxEntry]], None]) -> None:
        self._database = database
        self._send = send
        # One round of singles at a time: two would be half as full, and cost as much each. Batches go beside them.
        # Where the database is frozen, rounds that wait for each other must not add up their times.
        timeout_s = database.timeout_s
        self._singles: MicroBatch[Submission, Outcome] = MicroBatch(
            self._commit,
            calls_max=256,
            rounds_max=1,
            timeout_s=timeout_s,
            linger_s=LINGER_S,
            linger_rounds=LINGER_ROUNDS,
        )
        self._batches: MicroBatch[Submission, Outcome] = MicroBatch(
            self._commit, calls_max=1, rounds_max=2, timeout_s=timeout_s
        )

    async def submit(self, submission: Submission) -> Outcome:
        """Accept or refuse one submission; when this returns ``accepted``, it is committed.

        Raises:
            DatabaseUnavailable: Nothing was accepted, or (if the connection broke, or the time ended, at the very
                commit) nobody knows: the client repeats the request with its Idempotency-Key.
        """
        outcome = await self._in_round(submission)
        if outcome.decision is Decision.LATE and submission.principal.has_simple_key:
            submission = _looking_at_its_key(submission)
            outcome = await self._in_round(submission)
        if outcome.decision in _AGAIN or (submission.key is not None and outcome.decision in _REFUSED):
            # It may have waited for a twin that was accepted meanwhile, and was refused for what that twin used.
            # Now the twin is seen.
            outcome = await self._in_round(submission)
        if _is_refused_for_others(submission, outcome):
            alone = (await self._commit([submission]))[0]
            if isinstance(alone, Exception):
                raise alone
            outcome = alone
        return outcome

    async def _in_round(self, submission: Submission) -> Outcome:
        rounds = self._singles if submission.batch_id is None else self._batches
        try:
            return await rounds(submission)
        except TimeoutError as error:
            raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error

    async def drain(self) -> None:
        """Wait until everything submitted so far is answered."""
        await self._singles.drain()
        await self._batches.drain()

    async def _commit(self, asked: Sequence[Submission]) -> list[Outcome | Exception]:
        try:
            async with self._database.autocommit() as session:
                outcomes = await submissions.submit(session, asked)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  it belongs to the request that caused it
            if len(asked) == 1:
                return [error]
            # One request that the schema refuses must not take its neighbours with it.
            log.warning("submissions_split", count=len(asked), error=repr(error))
            return [outcome for one in asked for outcome in await self._commit([one])]
        for submission, outcome in zip(asked, outcomes, strict=True):
            if outcome.decision is Decision.ACCEPTED and submission.batch_id is None:
                sent = [
                    OutboxEntry(item.id, item.pool, item.model, item.version, outcome.created_at)
                    for item in submission.items
                ]
                self._send(sent)
        return [*outcomes]


def _looking_at_its_key(submission: Submission) -> Submission:
    """The same, for a look at the API key itself: it may have been changed, or what it asks for is refused."""
    return msgspec.structs.replace(submission, principal=replace(submission.principal, has_simple_key=False))


def _is_refused_for_others(submission: Submission, outcome: Outcome) -> bool:
    """Whether it was refused only for standing behind others of the same user or key that were refused."""
    if outcome.decision is Decision.INSUFFICIENT_CREDITS:
        return submission.cost <= outcome.balance
    if outcome.decision is Decision.KEY_CAP_EXCEEDED:
        return outcome.cap_left is not None and submission.cost <= outcome.cap_left
    return outcome.decision is Decision.TOO_MANY_OPEN and outcome.open_count < submission.open_max
