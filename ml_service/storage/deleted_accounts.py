"""Deleting an account: the person goes at once, their open predictions and texts in pieces, the ledger stays."""

from __future__ import annotations

from uuid import UUID

from ml_service.storage import users
from ml_service.storage.database import Session

BYTES_TOGETHER = 20_000_000
"""Of texts, as they are stored, that one statement erases: half a second. An answer may have megabytes."""
LATE_MINUTES = 10
"""Requests that were under way when the account was deleted have been accepted or refused long before that."""


_LOCK = "SELECT FROM users WHERE id = $1 AND password_hash IS NOT DISTINCT FROM $2 FOR NO KEY UPDATE"


async def close(session: Session, user_id: UUID, password_hash: str | None) -> bool:
    """Take a user's name and all that lets somebody use the account, as migration 0035 says.

    Call it in a transaction: from here on the row is locked, and a sign-in meanwhile waits and is refused. Raises
    LastAdmin where nobody who can sign in would be an admin.

    Returns:
        False where ``password_hash`` is not theirs any more: nothing was done.
    """
    if await session.fetchrow(_LOCK, user_id, password_hash) is None:
        return False
    with users.keeping_an_admin():
        await session.execute("SELECT close_account($1)", user_id)
    return True


async def leave_chats(session: Session, user_id: UUID) -> None:
    """Give chats that are connected to the account their own one back; what it owes them is not sent."""
    await session.execute("SELECT leave_chats($1)", user_id)


# Rows are locked in the order of their ids, as everywhere; what a worker is just finishing is left to the next call.
_CANCEL_OF_ACCOUNT = """
    WITH target AS MATERIALIZED (
        SELECT id FROM predictions WHERE user_id = $1 AND finished_at IS NULL  -- predictions_open
        ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE predictions AS p SET
            status = 'canceled', error_code = 'canceled', error_message = 'The account was deleted.',
            finished_at = now()
        FROM target AS t
        WHERE p.id = t.id AND p.finished_at IS NULL
        RETURNING p.id, p.user_id, p.cost
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, 'release', cost, id, 'user', user_id::text FROM ended
    ), unsent AS (
        DELETE FROM outbox WHERE prediction_id = ANY (ARRAY(SELECT id FROM ended))
    ), refunded AS (
        UPDATE users AS u SET balance = balance + e.cost, grants_left = grants_left + e.cost
        FROM (SELECT sum(cost) AS cost FROM ended HAVING count(*) > 0) AS e
        WHERE u.id = $1
    )
    SELECT count(*) FROM ended
"""


async def cancel_some(session: Session, user_id: UUID, limit: int) -> int:
    """Cancel up to ``limit`` open predictions and give their credits back; returns how many it canceled."""
    return int(await session.fetchval(_CANCEL_OF_ACCOUNT, user_id, limit))


# `erased_to` stops before the first prediction that is unfinished (its row may have been locked when the others were
# canceled), so that its texts are erased once it has ended; and it moves only from where this statement has found it:
# another process may have set it back meanwhile.
_ERASE = """
    WITH chunk AS MATERIALIZED (
        SELECT p.id, a.erased_to, bool_and(p.finished_at IS NOT NULL) OVER (ORDER BY p.id) AS is_passed,
            p.finished_at IS NOT NULL AND (p.input::text <> 'null' OR p.output::text <> 'null') AS has_texts
        FROM accounts_to_erase AS a
        CROSS JOIN LATERAL (
            SELECT *, sum(pg_column_size(input) + coalesce(pg_column_size(output), 0)) OVER (
                ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS bytes_before
            FROM (  -- for the planner: the index is read from erased_to on, and not past the limit
                SELECT id, finished_at, input, output FROM predictions  -- predictions_of_user
                WHERE user_id = $1 AND id > a.erased_to
                ORDER BY id LIMIT $2
            ) AS next
        ) AS p
        WHERE a.user_id = $1 AND coalesce(p.bytes_before, 0) < $3
    ), erased AS (
        UPDATE predictions AS p SET
            input = 'null', output = CASE WHEN p.output IS NOT NULL THEN 'null'::json END,
            error_message = CASE WHEN p.error_code IS NOT NULL THEN 'The text is no longer kept.' END
        FROM (SELECT id FROM chunk WHERE has_texts ORDER BY id) AS c
        WHERE p.id = c.id AND p.finished_at IS NOT NULL
    ), advanced AS (
        UPDATE accounts_to_erase AS a SET erased_to = c.id
        FROM (SELECT id, erased_to FROM chunk WHERE is_passed ORDER BY id DESC LIMIT 1) AS c
        WHERE a.user_id = $1 AND a.erased_to = c.erased_to
    )
    SELECT count(*) FROM chunk WHERE is_passed
"""


async def erase_some(session: Session, user_id: UUID, limit: int) -> int:
    """Erase the texts of up to ``limit`` predictions that have ended; returns how many were passed for good.

    None: there is no next one, or it is unfinished; what follows it is passed when it has ended.
    """
    return int(await session.fetchval(_ERASE, user_id, limit, BYTES_TOGETHER))


async def pending(session: Session) -> list[UUID]:
    """The accounts for which there may be something left to do."""
    return [row["user_id"] for row in await session.fetch("SELECT user_id FROM accounts_to_erase ORDER BY deleted_at")]


# Nothing is open, and `erased_to` has passed all there is: what has ended since the last look is still to be erased.
# The row of a job by an API key stays, without its lines (bulk_jobs.py).
_FINISH = """
    DELETE FROM accounts_to_erase AS a
    WHERE user_id = $1 AND deleted_at < now() - $2 * interval '1 minute' AND NOT EXISTS (
        SELECT FROM predictions AS p WHERE p.user_id = $1 AND p.finished_at IS NULL  -- predictions_open
    ) AND (
        SELECT p.id FROM predictions AS p WHERE p.user_id = $1 AND p.id > a.erased_to ORDER BY p.id LIMIT 1
    ) IS NULL AND NOT EXISTS (
        SELECT FROM bulk_jobs AS b WHERE b.user_id = $1 AND (
            b.key_id IS NULL OR b.finished_at IS NULL OR EXISTS (SELECT FROM bulk_chunks AS c WHERE c.bulk_id = b.id)
        )
    )
"""
_LOOK_AGAIN = """
    UPDATE accounts_to_erase SET erased_to = least(erased_to, first_id_of(deleted_at - $2 * interval '1 minute'))
    WHERE user_id = $1
"""


async def finish(session: Session, user_id: UUID) -> None:
    """Forget an account in which nothing is left to do; until then look again at what may have come late."""
    await session.execute(_FINISH, user_id, LATE_MINUTES)
    await session.execute(_LOOK_AGAIN, user_id, LATE_MINUTES)
