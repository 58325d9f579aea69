"""Balance and transactions as the API shows them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from ml_service.domain.ledger import Kind
from ml_service.storage.usage import Usage as DomainUsage
from ml_service.usecases.ledger import StatementLine


class Balance(BaseModel):
    """A user's credits."""

    balance: int = Field(description="Credits that can be spent.", examples=[97])
    held: int = Field(description="Credits reserved for unfinished predictions.", examples=[1])


class Transaction(BaseModel):
    """One movement of credits; it never changes."""

    id: int
    kind: Kind
    amount: int = Field(description="Credits moved.", examples=[1])
    change: int = Field(description="What it did to the balance: a capture moves what was held before.", examples=[-1])
    balance_after: int | None = Field(
        description="The balance after it; null where only one `kind` is asked for.", examples=[97]
    )
    prediction_id: UUID | None
    bulk_id: UUID | None = Field(
        description="The bulk job that holds, or gives back: to its predictions, which then hold it, or to the balance."
    )
    reason: str | None = Field(description="An admin's words for a top-up or an adjustment.")
    created_at: datetime

    @classmethod
    def of(cls, line: StatementLine) -> Transaction:
        """Show a transaction."""
        one = line.transaction
        return cls(
            id=one.id,
            kind=one.kind,
            amount=one.amount,
            change=one.change,
            balance_after=line.balance_after,
            prediction_id=one.prediction_id,
            bulk_id=one.bulk_id,
            reason=one.reason,
            created_at=one.created_at,
        )


class Statement(BaseModel):
    """A page of transactions, newest first."""

    items: list[Transaction]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class UsedBy(BaseModel):
    """Predictions of a day or of a model."""

    predictions: int = Field(description="Accepted in that time, whatever became of them.")
    succeeded: int
    failed: int = Field(description="Failed or expired, and free.")
    credits: int = Field(description="What the succeeded ones cost.")


class UsedByDay(UsedBy):
    """Predictions of a day."""

    day: date = Field(description="In UTC.", examples=["2026-11-26"])


class UsedByModel(UsedBy):
    """Predictions of a model."""

    model: str = Field(examples=["sentiment"])


class UsedByKey(UsedBy):
    """What was asked for with an API key, also in bulk jobs; `key_id` null: without one, signed in or in a chat."""

    key_id: UUID | None
    key_name: str | None = Field(examples=["ci"])


class Usage(BaseModel):
    """What was used in a time."""

    by: Literal["day", "model", "key"]
    items: list[UsedByDay] | list[UsedByModel] | list[UsedByKey]
    credits_total: int

    @classmethod
    def of(cls, by: Literal["day", "model", "key"], found: list[DomainUsage]) -> Usage:
        """Show it."""
        items = [
            {
                **_named(by, one),
                "predictions": one.predictions,
                "succeeded": one.succeeded,
                "failed": one.failed,
                "credits": one.credits,
            }
            for one in found
        ]
        total = sum(one.credits for one in found)
        return cls.model_validate({"by": by, "items": items, "credits_total": total})


def _named(by: Literal["day", "model", "key"], one: DomainUsage) -> dict[str, object]:
    match by:
        case "day":
            return {"day": one.day}
        case "model":
            return {"model": one.model}
        case "key":
            return {"key_id": one.key_id, "key_name": one.key_name}
