"""Accepting requests: one lock, one statement, for as many requests as come in the same moment."""

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


# The users' rows are locked by a statement of its own. The next statement then sees everything that was committed
# while this one waited: a twin of the same key, a balance just spent. Nothing has to be read again or retried.
_LOCK_PAYERS = "SELECT FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"

# The same, and which of these sign-ins are valid: a statement less. Only for who may read them, which the bot may not.
_LOCK_PAYERS_AND_LOOK = f"""
    WITH payer AS MATERIALIZED ({_LOCK_PAYERS})
    SELECT NULL::uuid AS session_id, NULL::uuid AS user_id FROM payer
    UNION ALL
    SELECT id, user_id FROM sessions WHERE id = ANY($2::uuid[]) AND revoked_at IS NULL AND expires_at > now()
"""

# Requests of one user are served in their order: `due` adds up what the earlier ones of this statement cost. A request
# that is refused only because of earlier, refused ones is asked again alone by the caller (usecases/intake.py).
_SUBMIT = """
    WITH request AS MATERIALIZED (
        SELECT r.*,
            k.prediction_id AS replayed_id, k.batch_id AS replayed_batch_id, k.fingerprint AS replayed_fingerprint
        FROM unnest(
            $1::int[], $2::uuid[], $3::bigint[], $4::text[], $5::bytea[], $6::uuid[], $7::uuid[], $8::int[], $9::text[],
            $10::float8[]
        ) AS r (no, user_id, cost, key, fingerprint, first_id, batch_id, open_max, source, deadline_s)
        LEFT JOIN idempotency_keys AS k ON k.user_id = r.user_id AND k.key = r.key
    ), payer AS MATERIALIZED (
        SELECT u.id, u.balance,
            (SELECT count(*) FROM (
                SELECT FROM predictions AS p  -- predictions_open
                WHERE p.user_id = u.id AND p.batch_id IS NULL AND p.finished_at IS NULL
                LIMIT (SELECT max(open_max) FROM request)
            ) AS open_singles) AS open_count
        FROM users AS u WHERE u.id = ANY($2)
    ), ranked AS MATERIALIZED (
        SELECT r.no, r.user_id, r.key, r.fingerprint, r.first_id, r.batch_id, r.source, r.deadline_s, r.cost,
            CASE
                WHEN sum(r.cost) OVER earlier > p.balance THEN 'insufficient_credits'
                WHEN r.batch_id IS NULL
                    AND p.open_count + count(*) FILTER (WHERE r.batch_id IS NULL) OVER earlier > r.open_max
                    THEN 'too_many_open'
                ELSE 'accepted'
            END AS decision
        FROM request AS r JOIN payer AS p ON p.id = r.user_id
        WHERE r.replayed_id IS NULL
        WINDOW earlier AS (PARTITION BY r.user_id ORDER BY r.no)
    ), accepted AS MATERIALIZED (
        SELECT * FROM ranked WHERE decision = 'accepted'
    ), keyed AS (
        INSERT INTO idempotency_keys (user_id, key, fingerprint, prediction_id, batch_id)
        SELECT user_id, key, fingerprint, first_id, batch_id FROM accepted WHERE key IS NOT NULL
    ), debited AS (
        UPDATE users SET balance = balance - d.amount
        FROM (SELECT user_id, sum(cost) AS amount FROM accepted GROUP BY user_id) AS d
        WHERE users.id = d.user_id AND users.id = ANY($2) AND users.balance >= d.amount
        RETURNING users.id, users.balance
    ), item AS MATERIALIZED (
        SELECT i.*, a.user_id, a.batch_id, a.source, a.deadline_s
        FROM unnest($11::int[], $12::uuid[], $13::text[], $14::text[], $15::text[], $16::bigint[], $17::text[])
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
    SELECT r.no,
        CASE
            WHEN p.id IS NULL THEN 'no_user'
            WHEN r.replayed_id IS NOT NULL THEN 'replayed'
            ELSE k.decision
        END AS decision,
        coalesce(d.balance, p.balance, 0) AS balance,
        now() AS created_at, r.replayed_id, r.replayed_batch_id, r.replayed_fingerprint
    FROM request AS r
    LEFT JOIN payer AS p ON p.id = r.user_id
    LEFT JOIN ranked AS k ON k.no = r.no
    LEFT JOIN debited AS d ON d.id = r.user_id
    ORDER BY r.no
"""


async def submit(session: Session, submissions: Sequence[Submission]) -> list[Outcome]:
    """Accept or refuse each submission: key, debit, hold, rows and outbox in one statement.

    No two submissions may share a user *and* a key: the second must wait for the first one's commit.

    Args:
        session: In a transaction of the database; nothing is accepted before it commits.
        submissions: In the order in which they are served.
    """
    sign_ins = [submission.session_id for submission in submissions if submission.session_id is not None]
    payers = [submission.user_id for submission in submissions]
    if not sign_ins:
        await session.execute(_LOCK_PAYERS, payers)
        return await _submit(session, submissions)
    found = await session.fetch(_LOCK_PAYERS_AND_LOOK, payers, sign_ins)
    valid = {(row["session_id"], row["user_id"]) for row in found}
    signed_in = [one for one in submissions if one.session_id is None or (one.session_id, one.user_id) in valid]
    if len(signed_in) == len(submissions):
        return await _submit(session, submissions)
    outcomes = iter(await _submit(session, signed_in) if signed_in else [])
    refused = Outcome(Decision.NO_SESSION, 0, datetime.min)  # noqa: DTZ901  nothing was created
    return [next(outcomes) if one in signed_in else refused for one in submissions]


async def _submit(session: Session, submissions: Sequence[Submission]) -> list[Outcome]:
    items = [(no, item) for no, submission in enumerate(submissions) for item in submission.items]
    rows = await session.fetch(
        _SUBMIT,
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
        [no for no, _ in items],
        [item.id for _, item in items],
        [item.model for _, item in items],
        [item.version for _, item in items],
        [item.pool for _, item in items],
        [item.cost for _, item in items],
        [item.input for _, item in items],
    )
    return [
        Outcome(
            Decision(row["decision"]),
            row["balance"],
            row["created_at"],
            row["replayed_id"],
            row["replayed_batch_id"],
            row["replayed_fingerprint"],
        )
        for row in rows
    ]
