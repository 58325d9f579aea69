"""Predictions of anyone, as admins look at them."""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.errors import NotFound
from ml_service.domain.predictions import Prediction, Status
from ml_service.storage import admin_predictions, users
from ml_service.storage import predictions as stored_predictions
from ml_service.storage.admin_predictions import ListedPrediction
from ml_service.storage.database import Session
from ml_service.usecases import predictions
from ml_service.usecases.admin import Admin, record
from ml_service.usecases.predictions import MISSING


async def listed(
    session: Session, *, prediction_id: UUID | None, user: str | None, before: UUID | None, limit: int
) -> tuple[list[ListedPrediction], UUID | None]:
    """A page of predictions, the newest first, and the id to continue before; None where it is the last.

    Args:
        prediction_id: Only this one.
        user: Only of this user, by name or id; of a user that does not exist there are none.
    """
    user_id = None
    if user is not None:
        user_id = await _user_id(session, user)
        if user_id is None:
            return [], None
    if prediction_id is not None:
        found = await admin_predictions.of_id(session, prediction_id)
        return ([found] if found is not None and user_id in {None, found.user_id} else []), None
    page = await admin_predictions.newest(session, user_id=user_id, before=before, limit=limit + 1)
    return page[:limit], page[limit - 1].id if len(page) > limit else None


async def _user_id(session: Session, user: str) -> UUID | None:
    try:
        return UUID(user)
    except ValueError:
        found = await users.get_by_name(session, user)
        return None if found is None else found.id


async def cancel(session: Session, admin: Admin, prediction_id: UUID, *, reason: str) -> Prediction:
    """Cancel anybody's prediction; its credits go back in the same commit. Canceling twice is no error.

    Raises:
        NotFound, AlreadyFinished: There is no such prediction, or it has ended otherwise.
    """
    found = await admin_predictions.owner_and_status_for_update(session, prediction_id)
    if found is None:
        raise NotFound(MISSING)
    user_id, status = found
    canceled = await predictions.cancel(session, user_id, prediction_id, by=admin.actor)
    if status != Status.CANCELED:
        await record(
            session,
            admin,
            "prediction.cancel",
            f"user:{user_id}",
            before={"status": status},
            after={"prediction_id": str(prediction_id), "status": canceled.status, "credits": canceled.cost},
            reason=reason,
        )
    return canceled


async def shown(session: Session, prediction_id: UUID) -> tuple[Prediction, str]:
    """A prediction of anyone, and the user's name; raises NotFound."""
    found = (await stored_predictions.get_many(session, [prediction_id])).get(prediction_id)
    listed_too = await admin_predictions.of_id(session, prediction_id)
    if found is None or listed_too is None:
        raise NotFound(MISSING)
    return found, listed_too.username
