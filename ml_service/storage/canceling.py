"""Canceling: an open prediction is ended before its time, and its credits go back in the same statement."""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.ledger import Actor, ActorKind
from ml_service.domain.predictions import Prediction
from ml_service.storage.database import Session
from ml_service.storage.predictions import prediction_of

# The outbox row goes too: no worker needs to hear of it any more.
_CANCEL = """
    WITH ended AS (
        UPDATE predictions SET
            status = 'canceled', error_code = 'canceled', error_message = $5, finished_at = now()
        WHERE id = $1 AND user_id = $2 AND finished_at IS NULL
        RETURNING id, user_id, model, version, status, input, output, error_code, error_message, cost, source, batch_id,
            worker_id, attempts, predict_ms, deadline_at, created_at, started_at, finished_at, key_id
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, 'release', cost, id, $3, $4 FROM ended
    ), unsent AS (
        DELETE FROM outbox WHERE prediction_id = ANY (ARRAY(SELECT id FROM ended))
    ), refunded AS (
        UPDATE users AS u SET balance = u.balance + e.cost, grants_left = u.grants_left + e.cost
        FROM ended AS e WHERE u.id = e.user_id
        RETURNING give_back_to_keys(
            CASE WHEN e.key_id IS NOT NULL THEN ARRAY[(e.key_id, e.created_at, e.cost)::held_by_key] END
        )
    )
    SELECT * FROM ended
"""


async def cancel(session: Session, user_id: UUID, prediction_id: UUID, actor: Actor | None = None) -> Prediction | None:
    """Cancel a user's open prediction and give its credits back; None where it is not theirs or has ended.

    Args:
        actor: Who asks for it, where it is not the user: an API key, or somebody who runs the service.
    """
    actor = actor or Actor(ActorKind.USER, str(user_id))
    who = "its user" if actor.kind in {ActorKind.USER, ActorKind.KEY} else "the service's operator"
    message = f"The prediction was canceled by {who}."
    row = await session.fetchrow(_CANCEL, prediction_id, user_id, actor.kind, actor.id, message)
    return None if row is None else prediction_of(row)
