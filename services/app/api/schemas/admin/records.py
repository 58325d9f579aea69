"""Dead letters, the audit, and the log of actions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from ml_service.messaging.queue import DEAD_LETTERS, queue_of
from ml_service.messaging.queue import DeadLetter as DomainDeadLetter
from ml_service.storage.admin_actions import AdminAction
from ml_service.usecases.audits import Audited
from services.app.api.schemas.numbers import WHOLE

LETTERS_MAX = 1000
BODY_SHOWN_MAX = 4000


class DeadLetter(BaseModel):
    """A task message that no worker could handle."""

    id: str
    queue: str = Field(description="Where it would be sent again; `ml_tasks.dead` where it cannot be read.")
    reason: str
    prediction_id: UUID | None = Field(description="The first of the predictions that it asks for.")
    predictions: int = Field(description="How many it asks for; 0 where it cannot be read.")
    at: datetime | None
    body: str = Field(description="As it arrived, cut after 4,000 characters; it may be anything.")

    @classmethod
    def of(cls, letter: DomainDeadLetter) -> DeadLetter:
        """Show a dead letter."""
        message = letter.message
        return cls(
            id=letter.id,
            queue=queue_of(message.pool) if message else DEAD_LETTERS,
            reason=letter.reason,
            prediction_id=message.ids[0] if message and message.ids else None,
            predictions=len(message.ids) if message else 0,
            at=letter.since,
            body=letter.body[:BODY_SHOWN_MAX].encode(errors="replace").decode(),
        )


class DeadLetters(BaseModel):
    """The oldest dead letters."""

    items: list[DeadLetter]
    next_cursor: None = None
    total: int = Field(description="How many there are.")


class Replay(BaseModel):
    """How many of the oldest dead letters to send again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"count": 10}]})

    count: Annotated[int, Field(strict=True, ge=1, le=LETTERS_MAX), WHOLE]


class Skipped(BaseModel):
    """A dead letter that stays."""

    id: str
    reason: str


class Replayed(BaseModel):
    """What was sent again."""

    replayed: int
    skipped: list[Skipped] = Field(description="What stays, and why; at most 100.")


class Violation(BaseModel):
    """Something that is wrong with the books."""

    check: str = Field(examples=["balance_is_sum_of_transactions"])
    detail: str


class Audit(BaseModel):
    """Whether the ledger agrees with itself."""

    is_clean: bool
    checked_at: datetime
    violations: list[Violation] = Field(description="At most 1,000.")
    issued: int = Field(description="Credits that were given out: wallets, held and revenue together.")
    wallets: int
    held: int
    revenue: int

    @classmethod
    def of(cls, audited: Audited) -> Audit:
        """Show an audit."""
        books = audited.books
        found = [
            Violation(check=one.rule, detail=f"{one.subject}: expected {one.expected}, is {one.actual}")
            for one in books.differences
        ]
        if not books.is_clean and not found:
            detail = f"issued {books.issued}, wallets {books.wallets}, held {books.held}, revenue {books.revenue}"
            found = [Violation(check="accounts_sum_to_zero", detail=detail)]
        return cls(
            is_clean=books.is_clean,
            checked_at=audited.checked_at,
            violations=found,
            issued=books.issued,
            wallets=books.wallets,
            held=books.held,
            revenue=books.revenue,
        )


class Action(BaseModel):
    """Something that an admin has done; it never changes."""

    id: int
    at: datetime
    actor: str = Field(description="The admin's name at that time, or `command-line`.")
    action: str = Field(examples=["credits.top_up"])
    target: str = Field(examples=["user:019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e"])
    target_name: str | None = Field(description="The user's name; null where it is about something else.")
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None

    @classmethod
    def of(cls, one: AdminAction) -> Action:
        """Show an action."""
        return cls(
            id=one.id,
            at=one.at,
            actor=one.actor,
            action=one.action,
            target=one.target,
            target_name=one.target_name,
            before=None if one.before is None else orjson.loads(one.before),
            after=None if one.after is None else orjson.loads(one.after),
            reason=one.reason,
        )


class Actions(BaseModel):
    """A page of the log, the newest first."""

    items: list[Action]
    next_cursor: str | None
