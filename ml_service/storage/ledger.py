"""Credits in PostgreSQL. Every movement is one row of ``transactions``; a user's balance is its cached sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ml_service.domain.ledger import Balance, Kind, Transaction
from ml_service.storage.database import INDEXES_ONLY, Session

COLUMNS = "id, kind, user_id, amount, prediction_id, reason, created_at"


def transaction_of(row: Any) -> Transaction:
    """Make a Transaction of a row that has COLUMNS."""
    return Transaction(
        id=row["id"],
        kind=Kind(row["kind"]),
        user_id=row["user_id"],
        amount=row["amount"],
        prediction_id=row["prediction_id"],
        reason=row["reason"],
        created_at=row["created_at"],
    )


_BALANCE = """
    SELECT u.balance,
        (SELECT coalesce(sum(p.cost), 0)::bigint FROM predictions AS p  -- predictions_open alone
         WHERE p.user_id = u.id AND p.finished_at IS NULL) AS held
    FROM users AS u WHERE u.id = $1
"""


async def balance(session: Session, user_id: UUID) -> Balance | None:
    """What the user can spend and what is held; None where there is no such user."""
    row = await session.fetchrow(_BALANCE, user_id)
    return None if row is None else Balance(row["balance"], row["held"])


LAST_ID = 2**63 - 1
"""No id comes after this one: a condition on the index, whether there is a cursor or not."""

_STATEMENT = f"""
    SELECT {COLUMNS} FROM transactions  -- transactions_of_user, read backwards
    WHERE user_id = $1 AND id < $2 AND ($3::text IS NULL OR kind = $3)
    ORDER BY id DESC LIMIT $4
"""


async def statement(
    session: Session, user_id: UUID, *, before: int | None, kind: Kind | None, limit: int
) -> list[Transaction]:
    """A user's transactions, newest first, with ids below ``before`` where it is given."""
    rows = await session.fetch(_STATEMENT, user_id, LAST_ID if before is None else before, kind, limit)
    return [transaction_of(row) for row in rows]


_MOVE = """
    WITH moved AS (
        UPDATE users SET balance = balance + $3 WHERE id = $1 AND balance + $3 BETWEEN 0 AND $5 RETURNING balance
    ), booked AS (
        INSERT INTO transactions (user_id, kind, amount, reason) SELECT $1, $2, $3, $4 FROM moved
    )
    SELECT balance FROM moved
"""


async def move(
    session: Session, user_id: UUID, kind: Kind, amount: int, *, reason: str | None, balance_max: int
) -> int | None:
    """Move ``amount`` credits between the issuer and the user's wallet; a negative amount takes them back.

    Returns:
        The balance after, or None where there is no such user or the balance would leave 0 to ``balance_max``.
    """
    row = await session.fetchrow(_MOVE, user_id, kind, amount, reason, balance_max)
    return None if row is None else int(row["balance"])


async def lock_wallets(session: Session, user_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Lock these users' balances until the commit, in id order so that nobody waits in a circle; returns them."""
    rows = await session.fetch(
        "SELECT id, balance FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", user_ids
    )
    return {row["id"]: row["balance"] for row in rows}


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the audit found: which rule, whose, what the ledger says and what is stored."""

    rule: str
    subject: str
    expected: int
    actual: int


# Each rule selects what breaks it; no rows mean that the books are right. Invariants 1, 2 and 5 of docs/guarantees.md.
_AUDIT = """
    WITH wallet AS (
        SELECT user_id, sum(CASE kind WHEN 'hold' THEN -amount WHEN 'capture' THEN 0 ELSE amount END) AS balance
        FROM transactions GROUP BY user_id
    ), per_prediction AS (
        SELECT prediction_id,
            sum(amount) FILTER (WHERE kind = 'hold') AS held,
            sum(amount) FILTER (WHERE kind = 'capture') AS captured,
            sum(amount) FILTER (WHERE kind = 'release') AS released,
            count(*) FILTER (WHERE kind <> 'hold') AS ends
        FROM transactions WHERE prediction_id IS NOT NULL GROUP BY prediction_id
    ), checked AS (
        SELECT p.id, p.status, p.cost, p.finished_at, t.held, t.captured, t.released, coalesce(t.ends, 0) AS ends
        FROM predictions AS p LEFT JOIN per_prediction AS t ON t.prediction_id = p.id
    )
    SELECT 'balance_is_sum_of_transactions' AS rule, u.id::text AS subject,
        coalesce(w.balance, 0)::bigint AS expected, u.balance AS actual
    FROM users AS u LEFT JOIN wallet AS w ON w.user_id = u.id WHERE u.balance <> coalesce(w.balance, 0)
    UNION ALL
    SELECT 'transaction_without_user', w.user_id::text, 0, w.balance::bigint
    FROM wallet AS w WHERE NOT EXISTS (SELECT FROM users AS u WHERE u.id = w.user_id)
    UNION ALL
    SELECT 'hold_is_cost', id::text, cost, coalesce(held, -1)::bigint FROM checked WHERE held IS DISTINCT FROM cost
    UNION ALL
    SELECT 'open_is_not_settled', id::text, 0, ends FROM checked WHERE finished_at IS NULL AND ends <> 0
    UNION ALL
    SELECT 'ended_is_settled_once', id::text, 1, ends FROM checked WHERE finished_at IS NOT NULL AND ends <> 1
    UNION ALL
    SELECT 'success_is_captured', id::text, cost, coalesce(captured, -1)::bigint
    FROM checked WHERE status = 'succeeded' AND captured IS DISTINCT FROM cost
    UNION ALL
    SELECT 'failure_is_released', id::text, cost, coalesce(released, -1)::bigint
    FROM checked WHERE status IN ('failed', 'canceled', 'expired') AND released IS DISTINCT FROM cost
    LIMIT $1
"""
_TOTALS = """
    SELECT
        (SELECT count(*) FROM users) AS users,
        (SELECT count(*) FROM transactions) AS transactions,
        (SELECT coalesce(sum(balance), 0)::bigint FROM users) AS wallets,
        (SELECT coalesce(sum(cost), 0)::bigint FROM predictions WHERE finished_at IS NULL) AS held,
        (SELECT coalesce(sum(amount), 0)::bigint FROM transactions WHERE kind = 'capture') AS revenue,
        (SELECT coalesce(sum(amount), 0)::bigint FROM transactions
         WHERE kind NOT IN ('hold', 'capture', 'release')) AS issued
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


async def audit(session: Session, *, differences_max: int = 1000) -> Books:
    """Recompute every balance, hold and capture. Call it in a REPEATABLE READ transaction on a live system."""
    # It reads whole tables: what speeds the small statements up (database.INDEXES_ONLY) would slow it down.
    await session.execute(
        "SELECT set_config(name, 'on', true) FROM unnest($1::text[]) AS settings (name)", list(INDEXES_ONLY)
    )
    totals = await session.fetchrow(_TOTALS)
    rows = await session.fetch(_AUDIT, differences_max)
    differences = tuple(Difference(row["rule"], row["subject"], row["expected"], row["actual"]) for row in rows)
    assert totals is not None  # noqa: S101  an aggregate always returns one row
    return Books(**dict(totals), differences=differences)
