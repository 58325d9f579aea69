"""Accepting requests: one statement for as many requests as come in the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ml_service.domain.predictions import Source
from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class NewPrediction:
    """One prediction of a request: validated and priced."""

    id: UUID
    model: str
    version: str
    pool: str
    cost: int
    input: str


@dataclass(frozen=True, slots=True)
class Submission:
    """One request: one prediction, or a batch that is accepted whole or not at all.

    Attributes:
        batch_id: None for a single prediction.
        key: The Idempotency-Key, if the client sent one; ``fingerprint`` (SHA-256) says what it stood for.
        deadline_s: Seconds from now until which it must have been started, or None.
        open_max: How many single predictions the user may have open, this one included.
        session_id: The sign-in that has to be valid still; None: whoever asks has checked it, or there is none.
    """

    user_id: UUID
    source: Source
    items: tuple[NewPrediction, ...]
    batch_id: UUID | None = None
    key: str | None = None
    fingerprint: bytes = b""
    deadline_s: float | None = None
    open_max: int = 1000
    session_id: UUID | None = None

    @property
    def cost(self) -> int:
        """Credits of all items together."""
        return sum(item.cost for item in self.items)


class Decision(StrEnum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    TOO_MANY_OPEN = "too_many_open"
    NO_USER = "no_user"
    NO_SESSION = "no_session"
    TWIN = "twin"
    """Another request with the same key came at the same moment and was accepted: ask again, to learn what it is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The database's answer to one submission.

    Attributes:
        balance: The user's balance after the whole statement, in credits.
        created_at: Of what was accepted.
        replayed_id, replayed_batch_id, replayed_fingerprint: What the same key stood for the first time.
    """

    decision: Decision
    balance: int
    created_at: datetime
    replayed_id: UUID | None = None
    replayed_batch_id: UUID | None = None
    replayed_fingerprint: bytes | None = None


# One statement, which is one commit. The payers' rows are locked in the order of their ids; a lock that was waited for
# gives the row as it is then, so the balance is what others have left (PostgreSQL's "Read Committed"). All else is seen
# as it was when the statement began. So a twin of the same key that was committed meanwhile shows only where the key is
# inserted, and the request is asked again; and the limit of open predictions does not count what came meanwhile.
#
# Requests of one user are served in their order, by a running sum of their costs. One that is refused only for standing
# behind refused ones, or behind twins, is asked again alone (usecases/intake.py).
_SUBMIT = """
    WITH request AS MATERIALIZED (
        SELECT r.*, {is_signed_in} AS is_signed_in,
            k.prediction_id AS replayed_id, k.batch_id AS replayed_batch_id, k.fingerprint AS replayed_fingerprint
        FROM unnest(
            $1::int[], $2::uuid[], $3::bigint[], $4::text[], $5::bytea[], $6::uuid[], $7::uuid[], $8::int[], $9::text[],
            $10::float8[], $11::uuid[]
        ) AS r (no, user_id, cost, key, fingerprint, first_id, batch_id, open_max, source, deadline_s, session_id)
        LEFT JOIN idempotency_keys AS k ON k.user_id = r.user_id AND k.key = r.key
    ), payer AS MATERIALIZED (
        SELECT u.id, u.balance,
            (SELECT count(*) FROM (
                SELECT FROM predictions AS p  -- predictions_open
                WHERE p.user_id = u.id AND p.batch_id IS NULL AND p.finished_at IS NULL
                LIMIT (SELECT max(open_max) FROM request)
            ) AS open_singles) AS open_count
        FROM users AS u WHERE u.id = ANY($2) ORDER BY u.id FOR NO KEY UPDATE
    ), ranked AS MATERIALIZED (
        SELECT r.*,
            CASE
                WHEN sum(r.cost) OVER earlier > p.balance THEN 'insufficient_credits'
                WHEN r.batch_id IS NULL
                    AND p.open_count + count(*) FILTER (WHERE r.batch_id IS NULL) OVER earlier > r.open_max
                    THEN 'too_many_open'
                ELSE 'accepted'
            END AS decision
        FROM request AS r JOIN payer AS p ON p.id = r.user_id
        WHERE r.is_signed_in AND r.replayed_id IS NULL
        WINDOW earlier AS (PARTITION BY r.user_id ORDER BY r.no)
    ), keyed AS (
        INSERT INTO idempotency_keys (user_id, key, fingerprint, prediction_id, batch_id)
        SELECT user_id, key, fingerprint, first_id, batch_id FROM ranked
        WHERE decision = 'accepted' AND key IS NOT NULL ORDER BY no
        ON CONFLICT DO NOTHING
        RETURNING prediction_id
    ), decided AS MATERIALIZED (
        SELECT no, user_id, batch_id, source, deadline_s, cost,
            CASE
                WHEN decision = 'accepted' AND key IS NOT NULL AND first_id NOT IN (SELECT prediction_id FROM keyed)
                    THEN 'twin'
                ELSE decision
            END AS decision
        FROM ranked
    ), accepted AS MATERIALIZED (
        SELECT * FROM decided WHERE decision = 'accepted'
    ), debited AS (
        UPDATE users SET balance = balance - d.amount
        FROM (SELECT user_id, sum(cost) AS amount FROM accepted GROUP BY user_id) AS d
        WHERE users.id = d.user_id AND users.id = ANY($2) AND users.balance >= d.amount
        RETURNING users.id, users.balance
    ), item AS MATERIALIZED (
        SELECT i.*, a.user_id, a.batch_id, a.source, a.deadline_s
        FROM unnest($12::int[], $13::uuid[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::text[])
            AS i (no, id, model, version, pool, cost, input)
        JOIN accepted AS a ON a.no = i.no
        JOIN debited AS d ON d.id = a.user_id
    ), inserted AS (
        INSERT INTO predictions (id, user_id, model, version, source, cost, batch_id, deadline_at, input)
        SELECT id, user_id, model, version, source, cost, batch_id,
            now() + deadline_s * interval '1 second', input::json
        FROM item ORDER BY id
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id)
        SELECT user_id, 'hold', cost, id FROM item ORDER BY id
    ), unsent AS (
        INSERT INTO outbox (prediction_id, user_id, pool, model, bulk)
        SELECT id, user_id, pool, model, batch_id IS NOT NULL FROM item ORDER BY id
    )
    SELECT
        CASE
            WHEN NOT r.is_signed_in THEN 'no_session'
            WHEN p.id IS NULL THEN 'no_user'
            WHEN r.replayed_id IS NOT NULL THEN 'replayed'
            ELSE k.decision
        END AS decision,
        coalesce(d.balance, p.balance, 0) AS balance,
        now() AS created_at, r.replayed_id, r.replayed_batch_id, r.replayed_fingerprint  -- as in Outcome
    FROM request AS r
    LEFT JOIN payer AS p ON p.id = r.user_id
    LEFT JOIN decided AS k ON k.no = r.no
    LEFT JOIN debited AS d ON d.id = r.user_id
    ORDER BY r.no
"""
# Who asks without a session has been checked otherwise. The bot has no sessions, and may not read them.
_SUBMIT_CHECKED = _SUBMIT.format(is_signed_in="r.session_id IS NULL")
_SUBMIT_SIGNED_IN = _SUBMIT.format(
    is_signed_in="""(r.session_id IS NULL OR EXISTS (
            SELECT FROM sessions AS s
            WHERE s.id = r.session_id AND s.user_id = r.user_id AND s.revoked_at IS NULL AND s.expires_at > now()
        ))"""
)


async def submit(session: Session, submissions: Sequence[Submission]) -> list[Outcome]:
    """Accept or refuse each submission: key, debit, hold, rows and outbox in one statement.

    Args:
        session: Nothing is accepted before it commits.
        submissions: In the order in which they are served.
    """
    items = [(no, item) for no, submission in enumerate(submissions) for item in submission.items]
    sign_ins = [submission.session_id for submission in submissions]
    rows = await session.fetch(
        _SUBMIT_SIGNED_IN if any(sign_ins) else _SUBMIT_CHECKED,
        list(range(len(submissions))),
        [submission.user_id for submission in submissions],
        [submission.cost for submission in submissions],
        [submission.key for submission in submissions],
        [submission.fingerprint for submission in submissions],
        [submission.items[0].id for submission in submissions],
        [submission.batch_id for submission in submissions],
        [submission.open_max for submission in submissions],
        [submission.source for submission in submissions],
        [submission.deadline_s for submission in submissions],
        sign_ins,
        [no for no, _ in items],
        [item.id for _, item in items],
        [item.model for _, item in items],
        [item.version for _, item in items],
        [item.pool for _, item in items],
        [item.cost for _, item in items],
        [item.input for _, item in items],
    )
    return [Outcome(Decision(row["decision"]), *row[1:]) for row in rows]
