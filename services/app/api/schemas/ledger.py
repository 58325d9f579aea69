"""Balance and transactions as the API shows them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from ml_service.domain.ledger import Kind
from ml_service.domain.ledger import Transaction as DomainTransaction


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
    prediction_id: UUID | None
    reason: str | None = Field(description="An admin's words for a top-up or an adjustment.")
    created_at: datetime

    @classmethod
    def of(cls, one: DomainTransaction) -> Transaction:
        """Show a transaction."""
        return cls(
            id=one.id,
            kind=one.kind,
            amount=one.amount,
            change=one.change,
            prediction_id=one.prediction_id,
            reason=one.reason,
            created_at=one.created_at,
        )


class Statement(BaseModel):
    """A page of transactions, newest first."""

    items: list[Transaction]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")
