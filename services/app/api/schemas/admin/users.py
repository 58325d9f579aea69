"""Users and predictions as admins see and change them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ml_service.domain.predictions import Source, Status
from ml_service.domain.roles import Role
from ml_service.storage.admin_predictions import ListedPrediction
from ml_service.storage.admin_users import UserAccount
from ml_service.usecases.admin import CREDITS_BY_HAND_MAX
from services.app.api.schemas.admin.texts import Reason
from services.app.api.schemas.ledger import Transaction
from services.app.api.schemas.numbers import WHOLE
from services.app.api.schemas.predictions import Prediction


class AdminUser(BaseModel):
    """A user."""

    id: UUID
    username: str
    balance: int
    held: int = Field(description="Credits reserved for unfinished predictions.")
    role: Role | None = Field(description="What they may do here besides using the service; null: nothing.")
    is_admin: bool = Field(description="Whether the role is `admin`.")
    is_demo: bool
    is_blocked: bool
    is_deleted: bool = Field(description="Whether the user has deleted the account: it can be given nothing any more.")
    created_at: datetime
    last_seen_at: datetime | None = Field(
        description="When a sign-in that goes on was last used, or the last prediction asked for."
    )

    @classmethod
    def of(cls, one: UserAccount) -> AdminUser:
        """Show a user."""
        return cls(
            id=one.id,
            username=one.username,
            balance=one.balance,
            held=one.held,
            role=one.role,
            is_admin=one.role is Role.ADMIN,
            is_demo=one.is_demo,
            is_blocked=one.is_blocked,
            is_deleted=one.is_deleted,
            created_at=one.created_at,
            last_seen_at=one.last_seen_at,
        )


class AdminUsers(BaseModel):
    """A page of users, the newest first."""

    items: list[AdminUser]
    next_cursor: str | None


class AdminPrediction(BaseModel):
    """A prediction of anyone, without its texts."""

    id: UUID
    user_id: UUID
    username: str
    model: str
    version: str | None
    status: Status
    error_code: str | None
    cost: int
    source: Source
    batch_id: UUID | None
    worker_id: str | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, one: ListedPrediction) -> AdminPrediction:
        """Show a prediction."""
        return cls(
            id=one.id,
            user_id=one.user_id,
            username=one.username,
            model=one.model,
            version=one.version,
            status=Status(one.status),
            error_code=one.error_code,
            cost=one.cost,
            source=Source(one.source),
            batch_id=one.batch_id,
            worker_id=one.worker_id,
            attempts=one.attempts,
            created_at=one.created_at,
            started_at=one.started_at,
            finished_at=one.finished_at,
        )


class AdminPredictions(BaseModel):
    """A page of predictions, the newest first."""

    items: list[AdminPrediction]
    next_cursor: str | None


class AdminPredictionWithTexts(Prediction):
    """A prediction of anyone."""

    user_id: UUID
    username: str


class AdminUserWithHistory(AdminUser):
    """A user, and what they did last."""

    transactions: list[Transaction] = Field(description="The last 20.")
    predictions: list[AdminPrediction] = Field(description="The last 20.")


class UserChange(BaseModel):
    """What to change of a user: at least one of the two."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"is_blocked": True, "reason": "chargebacks"}]}
    )

    is_blocked: bool | None = Field(
        None,
        strict=True,
        description="True: all sessions end, and neither sign-ins nor requests for predictions are accepted.",
    )
    role: Role | None = Field(None, description="The role from now on, on every replica at once; null: none.")
    reason: Reason


class Cancellation(BaseModel):
    """Why a prediction of somebody else is canceled."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "asked for by phone"}]})

    reason: Reason


class NewCredits(BaseModel):
    """A movement of credits by hand."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"amount": 100, "kind": "top_up", "reason": "invoice 1042"}]},
    )

    amount: Annotated[int, Field(strict=True, ge=-CREDITS_BY_HAND_MAX, le=CREDITS_BY_HAND_MAX), WHOLE] = Field(
        description="Credits to add; only an adjustment may be negative."
    )
    kind: Literal["top_up", "adjustment"]
    reason: Reason
