"""Credits in PostgreSQL. Every movement is one row of ``transactions``; a user's balance is its cached sum.

What a prediction moves is written by the statements that change its state: the hold in submissions.py, the capture in
finishing.py, the release in finishing.py, claiming.py, canceling.py, expiring.py and model_versions.py. A bulk job has
a hold of its own, which moves to its predictions as they are made (bulk_jobs.py, bulk_feeding.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ml_service.domain.ledger import Actor, ActorKind, Balance, Kind, Transaction, Wallet, wallet_change
from ml_service.domain.users import deleted_name
from ml_service.storage.database import INDEXES_ONLY, Session


def transaction_of(row: Any) -> Transaction:
    """Make a Transaction of a row that has all its columns."""
    return Transaction(
        id=row["id"],
        kind=Kind(row["kind"]),
        user_id=row["user_id"],
        amount=row["amount"],
        prediction_id=row["prediction_id"],
        bulk_id=row["bulk_id"],
        reason=row["reason"],
        actor=Actor(ActorKind(row["actor_kind"]), row["actor_id"]),
        created_at=row["created_at"],
    )


_BALANCE = """
    SELECT u.balance,
        (SELECT coalesce(sum(p.cost), 0)::bigint FROM predictions AS p  -- predictions_open alone
         WHERE p.user_id = u.id AND p.finished_at IS NULL)
        + (SELECT coalesce(sum(b.waiting * b.price_credits), 0)::bigint FROM bulk_jobs AS b  -- bulk_jobs_open
           WHERE b.user_id = u.id AND b.finished_at IS NULL AND b.status = 'running') AS held
    FROM users AS u WHERE u.id = $1
"""


async def balance(session: Session, user_id: UUID) -> Balance | None:
    """What the user can spend and what is held; None where there is no such user."""
    row = await session.fetchrow(_BALANCE, user_id)
    return None if row is None else Balance(row["balance"], row["held"])


LAST_ID = 2**63 - 1
"""No id comes after this one: a condition on the index, whether there is a cursor or not."""

_STATEMENT = """
    SELECT id, kind, user_id, amount, prediction_id, bulk_id, reason, actor_kind, actor_id, created_at,
        (SELECT u.balance FROM users AS u WHERE u.id = $1) AS balance_now
    FROM transactions  -- transactions_of_user, read backwards; see storage/history.py for the pairs
    WHERE (user_id, id) < ($1, $2) AND (user_id, id) >= ($1, 0) AND ($3::text IS NULL OR kind = $3)
    ORDER BY user_id DESC, id DESC LIMIT $4
"""
# A user may have few movements of these kinds: a page of them must not read a million others.
_STATEMENT_OF_KIND = """
    SELECT id, kind, user_id, amount, prediction_id, bulk_id, reason, actor_kind, actor_id, created_at,
        (SELECT u.balance FROM users AS u WHERE u.id = $1) AS balance_now
    FROM transactions  -- transactions_of_user_and_kind, read backwards
    WHERE (user_id, kind, id) < ($1, $3, $2) AND (user_id, kind, id) >= ($1, $3, 0) AND kind NOT IN ('hold', 'capture')
    ORDER BY user_id DESC, kind DESC, id DESC LIMIT $4
"""
_OF_EVERY_PREDICTION = (None, Kind.HOLD, Kind.CAPTURE)


async def statement(
    session: Session, user_id: UUID, *, before: int | None, kind: Kind | None, limit: int
) -> tuple[list[Transaction], int | None]:
    """A user's transactions, newest first, with ids below ``before`` where it is given; and the balance of this moment.

    The balance is None where there are no transactions.
    """
    sql = _STATEMENT if kind in _OF_EVERY_PREDICTION else _STATEMENT_OF_KIND
    rows = await session.fetch(sql, user_id, LAST_ID if before is None else before, kind, limit)
    return [transaction_of(row) for row in rows], rows[0]["balance_now"] if rows else None


# Nothing is given to a deleted account. What it has may be taken: a payment can be reversed long after.
_MOVE = """
    WITH moved AS (
        UPDATE users SET balance = balance + $3, grants_left = grants_left + $4
        WHERE id = $1 AND balance + $3 BETWEEN 0 AND $5 AND ($3 <= 0 OR username_key <> $11)
        RETURNING balance
    ), booked AS (
        INSERT INTO transactions (user_id, kind, amount, reason, actor_kind, actor_id, idempotency_key)
        SELECT $1, $2, $6, $7, $8, $9, $10 FROM moved
    )
    SELECT balance FROM moved
"""
_OF_GRANTS = (Kind.GRANT, Kind.REFUND)
"""Kinds that change what is left of a user's grants, besides `hold` and `release`: a refund undoes spending."""


async def move(
    session: Session,
    user_id: UUID,
    kind: Kind,
    amount: int,
    actor: Actor,
    *,
    reason: str | None,
    balance_max: int,
    idempotency_key: str | None = None,
) -> int | None:
    """Move ``amount`` credits to or from the user's wallet, as ``kind`` says; negative: the other way.

    Returns:
        The balance after, or None where there is no such account or the balance would leave 0 to ``balance_max``.
    """
    row = await session.fetchrow(
        _MOVE,
        user_id,
        kind,
        wallet_change(kind, amount),
        amount if kind in _OF_GRANTS else 0,
        balance_max,
        amount,
        reason,
        actor.kind,
        actor.id,
        idempotency_key,
        deleted_name(user_id),
    )
    return None if row is None else int(row["balance"])


async def lock_wallets(session: Session, user_ids: Sequence[UUID]) -> dict[UUID, Wallet]:
    """Lock these users' balances until the commit, in id order so that there is no deadlock; returns them."""
    rows = await session.fetch(
        "SELECT id, balance, grants_left FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", user_ids
    )
    return {row["id"]: Wallet(row["balance"], row["grants_left"]) for row in rows}


async def lock_key(session: Session, actor: Actor, idempotency_key: str) -> None:
    """Serialise movements with this key, for any user; held until the commit."""
    await session.execute(
        "SELECT pg_advisory_xact_lock(784, hashtext($1))", f"{actor.kind}:{actor.id}:{idempotency_key}"
    )


_OF_KEY = """
    SELECT id, kind, user_id, amount, prediction_id, bulk_id, reason, actor_kind, actor_id, created_at
    FROM transactions  -- transactions_of_key
    WHERE actor_kind = $1 AND actor_id = $2 AND idempotency_key = $3
"""


async def of_key(session: Session, actor: Actor, idempotency_key: str) -> Transaction | None:
    """What this actor moved with this key, if anything."""
    row = await session.fetchrow(_OF_KEY, actor.kind, actor.id, idempotency_key)
    return None if row is None else transaction_of(row)


_PAID = """
    SELECT coalesce(sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END), 0)::bigint
    FROM transactions WHERE user_id = $1 AND kind IN ('capture', 'refund')  -- transactions_of_user
"""


async def paid(session: Session, user_id: UUID) -> int:
    """Credits that the user's predictions cost, without what was refunded; reads all of the user's transactions."""
    return int(await session.fetchval(_PAID, user_id))


_BOUGHT = """
    SELECT coalesce(sum(CASE kind WHEN 'chargeback' THEN -amount ELSE amount END), 0)::bigint
    FROM transactions  -- transactions_of_user_and_kind
    WHERE user_id = $1 AND kind IN ('top_up', 'transfer', 'chargeback') AND kind NOT IN ('hold', 'capture')
"""


async def bought(session: Session, user_id: UUID) -> int:
    """Credits of the user's top-ups, without those charged back; a transfer takes them to the person's other account.

    Negative where more than these were transferred away or, by an earlier version, charged back.
    """
    return int(await session.fetchval(_BOUGHT, user_id))


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the audit found: which rule, whose, what the ledger says and what is stored."""

    rule: str
    subject: str
    expected: int
    actual: int


# Each rule selects what breaks it; no rows mean that the books are right. Invariants 1, 2 and 5 of docs/guarantees.md.
# A prediction whose row is gone (its retention ended) is settled too.
_AUDIT = """
    WITH wallet AS (
        SELECT user_id,
            sum(CASE WHEN kind IN ('hold', 'chargeback') THEN -amount WHEN kind = 'capture' THEN 0 ELSE amount END)
                AS balance,
            sum(CASE WHEN kind = 'hold' THEN -amount WHEN kind IN ('grant', 'release', 'refund') THEN amount ELSE 0 END)
                AS grants_left,
            sum(CASE kind WHEN 'capture' THEN amount WHEN 'refund' THEN -amount ELSE 0 END) AS paid
        FROM transactions GROUP BY user_id
    ), per_prediction AS (
        SELECT prediction_id,
            sum(amount) FILTER (WHERE kind = 'hold') AS held,
            sum(amount) FILTER (WHERE kind = 'capture') AS captured,
            sum(amount) FILTER (WHERE kind = 'release') AS released,
            count(*) FILTER (WHERE kind = 'hold') AS holds,
            count(*) FILTER (WHERE kind = 'capture') AS captures,
            count(*) FILTER (WHERE kind = 'release') AS releases
        FROM transactions WHERE prediction_id IS NOT NULL GROUP BY prediction_id
    ), per_job AS (
        SELECT bulk_id, count(*) FILTER (WHERE kind = 'hold') AS holds, min(id) FILTER (WHERE kind = 'hold') AS hold_id,
            coalesce(sum(amount) FILTER (WHERE kind = 'hold'), 0)::bigint AS held,
            coalesce(sum(amount) FILTER (WHERE kind = 'release'), 0)::bigint AS released
        FROM transactions WHERE bulk_id IS NOT NULL GROUP BY bulk_id
    ), checked AS (
        SELECT p.id, p.status, p.cost, p.finished_at, t.held, t.captured, t.released,
            coalesce(t.captures + t.releases, 0) AS ends
        FROM predictions AS p LEFT JOIN per_prediction AS t ON t.prediction_id = p.id
    ), per_key AS (
        SELECT k.id, k.spent_total, k.spent_month, k.spent_day,
            coalesce(sum(h.counted - h.released), 0) AS total,
            coalesce(sum(h.counted - h.released) FILTER (
                WHERE h.day >= date_trunc('month', k.spent_on::timestamp)
            ), 0) AS month,
            coalesce(sum(h.counted - h.released) FILTER (WHERE h.day = k.spent_on), 0) AS day
        FROM api_keys AS k LEFT JOIN (
            SELECT a.id AS key_id, t.day, t.released,
                CASE WHEN t.hold_id > a.counted_to THEN 0 ELSE t.held END AS counted  -- not counted yet
            FROM (
                SELECT h.actor_id, h.id AS hold_id, (h.created_at AT TIME ZONE 'UTC')::date AS day, h.amount AS held,
                    coalesce(p.released, 0) AS released
                FROM transactions AS h JOIN per_prediction AS p ON p.prediction_id = h.prediction_id
                WHERE h.kind = 'hold' AND h.actor_kind = 'key'
                UNION ALL
                SELECT b.key_id::text, j.hold_id, (b.started_at AT TIME ZONE 'UTC')::date, j.held,
                    b.price_credits * (b.failed + b.canceled)
                FROM bulk_jobs AS b JOIN per_job AS j ON j.bulk_id = b.id WHERE b.key_id IS NOT NULL
            ) AS t JOIN api_keys AS a ON a.id::text = t.actor_id
        ) AS h ON h.key_id = k.id
        GROUP BY k.id
    )
    SELECT 'balance_is_sum_of_transactions' AS rule, u.id::text AS subject,
        coalesce(w.balance, 0)::bigint AS expected, u.balance AS actual
    FROM users AS u LEFT JOIN wallet AS w ON w.user_id = u.id WHERE u.balance <> coalesce(w.balance, 0)
    UNION ALL
    SELECT 'grants_left_is_sum_of_transactions', u.id::text, coalesce(w.grants_left, 0)::bigint, u.grants_left
    FROM users AS u LEFT JOIN wallet AS w ON w.user_id = u.id WHERE u.grants_left <> coalesce(w.grants_left, 0)
    UNION ALL
    SELECT 'transaction_without_user', w.user_id::text, 0, w.balance::bigint
    FROM wallet AS w WHERE NOT EXISTS (SELECT FROM users AS u WHERE u.id = w.user_id)
    UNION ALL
    SELECT 'refunds_are_at_most_captures', w.user_id::text, 0, w.paid::bigint FROM wallet AS w WHERE w.paid < 0
    UNION ALL
    SELECT 'one_hold_capture_and_release_at_most', prediction_id::text, 1, greatest(holds, captures, releases)
    FROM per_prediction WHERE greatest(holds, captures, releases) > 1
    UNION ALL
    SELECT 'hold_is_cost', id::text, cost, coalesce(held, -1)::bigint FROM checked WHERE held IS DISTINCT FROM cost
    UNION ALL
    SELECT 'open_is_not_settled', id::text, 0, ends FROM checked WHERE finished_at IS NULL AND ends <> 0
    UNION ALL
    SELECT 'ended_is_settled', id::text, 1, ends FROM checked WHERE finished_at IS NOT NULL AND ends = 0
    UNION ALL
    SELECT 'settlement_is_hold', prediction_id::text, coalesce(held, -1)::bigint,
        (coalesce(captured, 0) + coalesce(released, 0))::bigint
    FROM per_prediction
    WHERE captures + releases > 0 AND coalesce(captured, 0) + coalesce(released, 0) IS DISTINCT FROM held
    UNION ALL
    SELECT 'gone_is_settled', t.prediction_id::text, 1, 0
    FROM per_prediction AS t
    WHERE t.captures + t.releases = 0 AND NOT EXISTS (SELECT FROM predictions AS p WHERE p.id = t.prediction_id)
    UNION ALL
    SELECT 'success_is_captured', id::text, cost, coalesce(captured, -1)::bigint
    FROM checked WHERE status = 'succeeded' AND captured IS NULL
    UNION ALL
    SELECT 'failure_is_released', id::text, cost, coalesce(released, -1)::bigint
    FROM checked WHERE status IN ('failed', 'canceled', 'expired') AND released IS DISTINCT FROM cost
    UNION ALL
    SELECT 'job_has_one_hold_of_all_lines', b.id::text, (b.lines - b.lines_invalid) * b.price_credits,
        coalesce(t.held, -1)
    FROM bulk_jobs AS b LEFT JOIN per_job AS t ON t.bulk_id = b.id
    WHERE b.started_at IS NOT NULL
        AND (t.held IS DISTINCT FROM (b.lines - b.lines_invalid) * b.price_credits OR t.holds <> 1)
    UNION ALL
    SELECT 'job_holds_what_waits', t.bulk_id::text, coalesce(b.waiting * b.price_credits, 0), t.held - t.released
    FROM per_job AS t LEFT JOIN bulk_jobs AS b ON b.id = t.bulk_id
    WHERE t.held - t.released <> coalesce(b.waiting * b.price_credits, 0)
    UNION ALL
    SELECT 'key_spent_is_sum_of_holds', id::text, total::bigint, spent_total FROM per_key WHERE spent_total <> total
    UNION ALL
    SELECT 'key_spent_in_month_is_sum_of_holds', id::text, month::bigint, spent_month
    FROM per_key WHERE spent_month <> month
    UNION ALL
    SELECT 'key_spent_on_day_is_sum_of_holds', id::text, day::bigint, spent_day FROM per_key WHERE spent_day <> day
    LIMIT $1
"""
_TOTALS = """
    SELECT
        (SELECT count(*) FROM users) AS users,
        (SELECT count(*) FROM transactions) AS transactions,
        (SELECT coalesce(sum(balance), 0)::bigint FROM users) AS wallets,
        (SELECT coalesce(sum(cost), 0)::bigint FROM predictions WHERE finished_at IS NULL)
            + (SELECT coalesce(sum(waiting * price_credits), 0)::bigint FROM bulk_jobs WHERE status = 'running')
            AS held,
        (SELECT coalesce(sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END), 0)::bigint FROM transactions
         WHERE kind IN ('capture', 'refund')) AS revenue,
        (SELECT coalesce(sum(CASE kind WHEN 'chargeback' THEN -amount ELSE amount END), 0)::bigint FROM transactions
         WHERE kind IN ('grant', 'top_up', 'transfer', 'adjustment', 'chargeback')) AS issued
"""


@dataclass(frozen=True, slots=True)
class Books:
    """The sums of all accounts in credits, and what breaks a rule."""

    users: int
    transactions: int
    issued: int
    wallets: int
    held: int
    revenue: int
    differences: tuple[Difference, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every rule holds and the accounts sum to zero."""
        return not self.differences and self.issued == self.wallets + self.held + self.revenue


async def audit(session: Session, *, differences_max: int = 1000, timeout_s: float | None = None) -> Books:
    """Recompute every balance, hold and capture. Call it in a REPEATABLE READ transaction on a live system."""
    # It reads whole tables: what speeds the small statements up (database.INDEXES_ONLY) would slow it down.
    await session.execute(
        "SELECT set_config(name, 'on', true) FROM unnest($1::text[]) AS settings (name)", list(INDEXES_ONLY)
    )
    totals = await session.fetchrow(_TOTALS, timeout=timeout_s)
    rows = await session.fetch(_AUDIT, differences_max, timeout=timeout_s)
    differences = tuple(Difference(row["rule"], row["subject"], row["expected"], row["actual"]) for row in rows)
    assert totals is not None  # noqa: S101  an aggregate always returns one row
    return Books(**dict(totals), differences=differences)
