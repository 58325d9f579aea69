"""Bulk jobs: a file of many lines is checked and stored as it comes, and then runs as a whole or not at all.

Receiving outlives a statement, so it owns its commits: one for each chunk of lines, and one that holds the price of all
valid lines and starts the job. What is not started leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

import structlog

from ml_service.domain.bulk import BulkJob, BulkStatus
from ml_service.domain.credentials import Principal, Scope
from ml_service.domain.errors import (
    AlreadyFinished,
    DatabaseUnavailable,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    KeyCapExceeded,
    MaxCreditsExceeded,
    NotFound,
    ServiceError,
    Unauthenticated,
)
from ml_service.domain.ledger import Actor, ActorKind, in_words
from ml_service.domain.models import ListedModel
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import Decision, fingerprint_of, is_same_request
from ml_service.storage import bulk_jobs, bulk_key_spending, sessions
from ml_service.storage.database import Database, Session
from ml_service.usecases.api_keys import model_not_allowed, scope_missing
from ml_service.usecases.bulk_reading import CsvLines, JsonLines, Parse, Reader
from ml_service.usecases.bulk_receiving import GONE, BulkLimits, Receiving
from ml_service.usecases.models import Catalog
from ml_service.usecases.users import blocked, unauthenticated

log = structlog.get_logger()

CANCELED_TOGETHER = 500
DELETED_TOGETHER = 20
MISSING = "There is no such bulk job."
Known: TypeAlias = tuple[UUID | None, bytes]
"""What an Idempotency-Key was accepted with: a batch or a bulk job (None: a single prediction), and its fingerprint."""


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """What is asked of a file.

    Attributes:
        model: A name or name@version; None: the default model.
        column: Of a CSV: the column that is the text.
        key: The Idempotency-Key.
        notifies_chats: Whether chats hear of the end; None: as the account prefers.
        chat_id: The chat in which it was asked.
        max_credits: What the caller accepts as the price of all valid lines; None: whatever it is. It is no part of
            what a key stands for: a job that was accepted is answered whatever its repetition would accept.
    """

    source: Source
    kind: Literal["jsonl", "csv"]
    model: str | None = None
    column: str | None = None
    key: str | None = None
    notifies_chats: bool | None = None
    chat_id: int | None = None
    max_credits: int | None = None


class AcceptedBulk(NamedTuple):
    """A job that was accepted; or was before, with the same key."""

    job: BulkJob
    is_replay: bool


class Bulk:
    """Receives bulk jobs, and cancels them. One for all edges of a process."""

    def __init__(self, database: Database, catalog: Catalog, limits: BulkLimits, default_model: str) -> None:
        self._database = database
        self._catalog = catalog
        self._limits = limits
        self._default_model = default_model

    async def receive(
        self, principal: Principal, order: BulkOrder, pieces: AsyncIterator[bytes], parse: Parse
    ) -> AcceptedBulk:
        """Take a file as it comes, check each line, hold the price of the valid ones, and start the job.

        A known Idempotency-Key is answered with its job, once all of the file was read and is the same.

        Args:
            pieces: Of the file, as they come. What this raises ends it, and nothing is left behind.
            parse: Makes a value of a JSON line.

        Raises:
            InvalidInput: The file cannot be read, or no line of it is valid.
            MaxCreditsExceeded: All valid lines cost more than ``max_credits``.
            InsufficientCredits: The balance does not cover all valid lines; ``details`` say what is missing.
            TooManyQueued: The user has as many unfinished jobs as there may be.
            ModelNotFound, ModelDisabled, Blocked, Unauthenticated, IdempotencyKeyReused, DatabaseUnavailable: Nothing
                was accepted, unless the connection broke at the last commit: repeat with a key.
        """
        digest = hashlib.sha256(repr(("bulk", order.kind, order.column)).encode())
        known = await self._known(principal, order.key)
        if known is None:
            listed, why_not = await self._catalog.checker(order.model or self._default_model)
            receiving = Receiving(self._database, self._limits, listed, why_not)
            known = await self._unless_known(principal, order, receiving.begin(principal, order.source))
        if known is not None:
            async for piece in pieces:
                digest.update(piece)
            return await self._replayed(principal, known, self._fingerprint(order, digest))
        is_started = False
        try:
            await receiving.take(_hashed(pieces, digest), self._reader(order, listed, parse))
            fingerprint = self._fingerprint(order, digest)
            start = self._start(receiving, principal, order, fingerprint)
            replayed = await self._unless_known(principal, order, start)
            is_started = replayed is None
        finally:
            if not is_started:
                await asyncio.shield(self._discard(receiving.id))
        if replayed is not None:
            return await self._replayed(principal, replayed, fingerprint)
        async with self._database.autocommit() as session:
            return AcceptedBulk(await get(session, principal.user_id, receiving.id), is_replay=False)

    def _fingerprint(self, order: BulkOrder, digest: Any) -> bytes:
        return fingerprint_of(digest.digest(), [order.model], self._default_model)

    def _reader(self, order: BulkOrder, listed: ListedModel, parse: Parse) -> Reader:
        if order.kind == "csv":
            return CsvLines(listed.spec, order.column, self._limits.line_bytes_max)
        return JsonLines(listed.spec, parse, self._limits.line_bytes_max)

    async def _known(self, principal: Principal, key: str | None) -> Known | None:
        if key is None:
            return None
        async with self._database.autocommit() as session:
            return await bulk_jobs.find_key(session, principal.user_id, key)

    async def _unless_known(self, principal: Principal, order: BulkOrder, step: Awaitable[None]) -> Known | None:
        """Take a step; returns what the same key was accepted with meanwhile, where the step fails and it was.

        A twin may have been accepted after the key was looked for, and this one be refused for what that twin has used.
        """
        try:
            await step
        except Unauthenticated:
            raise
        except ServiceError:
            known = await self._known(principal, order.key)
            if known is None:
                raise
            return known
        return None

    async def _start(self, receiving: Receiving, principal: Principal, order: BulkOrder, fingerprint: bytes) -> None:
        """Hold and start, or raise why not."""
        if order.max_credits is not None and receiving.cost > order.max_credits:
            message = f"This costs {in_words(receiving.cost)}, and max_credits is {order.max_credits}."
            raise MaxCreditsExceeded(message, cost=receiving.cost, max_credits=order.max_credits)
        async with self._database.begin() as session:
            if principal.session_id is not None and not await sessions.valid_among(session, [principal.session_id]):
                raise unauthenticated()
            decision, balance, cost = await bulk_jobs.start(
                session,
                receiving.id,
                principal.user_id,
                key=order.key,
                fingerprint=fingerprint,
                notifies_chats=order.notifies_chats,
                chat_id=order.chat_id,
                actor=_actor_of(principal.user_id, principal.key_id),
            )
            if decision is not Decision.ACCEPTED:
                raise _refusal(decision, balance, cost)  # and nothing is committed
            if principal.token_hash is not None:
                await self._spend(session, receiving, principal, cost)

    async def _spend(self, session: Session, receiving: Receiving, principal: Principal, cost: int) -> None:
        """Count the price for the API key; raises where the key may not."""
        assert principal.token_hash is not None  # noqa: S101  asked before
        model = receiving.model
        decision, cap_left = await bulk_key_spending.spend(
            session, receiving.id, principal.user_id, principal.token_hash, model=model, cost=cost
        )
        match decision:
            case Decision.ACCEPTED:
                return
            case Decision.SCOPE_MISSING:
                raise scope_missing(Scope.BULK)
            case Decision.MODEL_NOT_ALLOWED:
                raise model_not_allowed([model])
            case Decision.LATE:
                raise DatabaseUnavailable("A day has just ended; try again.", retry_after_s=1.0)
            case Decision.KEY_CAP_EXCEEDED:
                message = f"This costs {in_words(cost)}, and the spend cap of the API key leaves {cap_left}."
                raise KeyCapExceeded(message, cost=cost, cap_left=cap_left or 0)
            case _:
                raise unauthenticated()

    async def _replayed(self, principal: Principal, known: Known, fingerprint: bytes) -> AcceptedBulk:
        bulk_id, known_fingerprint = known
        if bulk_id is None or not is_same_request(known_fingerprint, fingerprint):
            raise IdempotencyKeyReused("This Idempotency-Key came with a different request before.")
        async with self._database.autocommit() as session:
            return AcceptedBulk(await get(session, principal.user_id, bulk_id), is_replay=True)

    async def _discard(self, bulk_id: UUID) -> None:
        """Delete what was received; where the database is away, the sweep does it later."""
        with suppress(DatabaseUnavailable):
            is_deleted = False
            while not is_deleted:
                async with self._database.autocommit() as session:
                    is_deleted = await bulk_jobs.delete_some(session, bulk_id, DELETED_TOGETHER, is_finished=False)

    async def cancel(self, user_id: UUID, bulk_id: UUID, *, key_id: UUID | None = None) -> BulkJob:
        """Feed no more of a job, cancel what is open of it, give the credits back; what has ended stays and is paid.

        Canceling twice is no error.

        Args:
            key_id: The API key by which the user asks for it.

        Raises:
            NotFound: It is missing, or another user's.
            AlreadyFinished: It has ended otherwise.
            InvalidInput: It is still being received.
        """
        async with self._database.begin() as session:
            await get(session, user_id, bulk_id)
            await stop(session, user_id, bulk_id, _actor_of(user_id, key_id))
        await cancel_open(self._database, user_id, bulk_id)
        async with self._database.autocommit() as session:
            return await get(session, user_id, bulk_id)


async def stop(session: Session, user_id: UUID, bulk_id: UUID, actor: Actor) -> bool:
    """Feed no more of a user's job, and give back what it holds.

    Returns:
        False where the job was canceled before.

    Raises:
        AlreadyFinished: It has ended otherwise.
        InvalidInput: It is still being received, by a process that starts it when all of it has come.
    """
    if await bulk_jobs.stop(session, bulk_id, user_id, BulkStatus.CANCELED, actor):
        return True
    job = await get(session, user_id, bulk_id)
    if job.status is BulkStatus.RECEIVING:
        raise InvalidInput("This bulk job is still being received and holds no credits; cancel it once it runs.")
    if job.status is not BulkStatus.CANCELED:
        raise AlreadyFinished("This bulk job has ended.")
    return False


async def cancel_open(database: Database, user_id: UUID, bulk_id: UUID) -> int:
    """Cancel the open predictions of a stopped job; returns how many."""
    done, canceled = CANCELED_TOGETHER, 0
    while done == CANCELED_TOGETHER:
        async with database.begin() as session:
            done = await bulk_jobs.cancel_some(session, user_id, bulk_id, CANCELED_TOGETHER)
        canceled += done
    return canceled


async def get(session: Session, user_id: UUID | None, bulk_id: UUID) -> BulkJob:
    """A job; raises NotFound where it is missing, or another user's: the same answer."""
    job = await bulk_jobs.get(session, user_id, bulk_id)
    if job is None:
        raise NotFound(MISSING)
    return job


def _actor_of(user_id: UUID, key_id: UUID | None) -> Actor:
    return Actor(ActorKind.USER, str(user_id)) if key_id is None else Actor(ActorKind.KEY, str(key_id))


async def _hashed(pieces: AsyncIterator[bytes], digest: Any) -> AsyncIterator[bytes]:
    async for piece in pieces:
        digest.update(piece)
        yield piece


def _refusal(decision: Decision | None, balance: int, cost: int) -> ServiceError:
    match decision:
        case None:
            return DatabaseUnavailable(GONE, retry_after_s=1.0)
        case Decision.TWIN:
            message = "Another request with this Idempotency-Key came just now; try again."
            return DatabaseUnavailable(message, retry_after_s=1.0)
        case Decision.BLOCKED:
            return blocked()
        case Decision.INSUFFICIENT_CREDITS:
            message = f"This costs {in_words(cost)}, and the balance is {balance}: {cost - balance} missing."
            return InsufficientCredits(message, balance=balance, cost=cost, missing=cost - balance)
        case _:
            return Unauthenticated("This user no longer exists.")
