"""Credits: what a user has, what moved, and what an admin may do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from ml_service.domain.errors import AccountDeleted, IdempotencyKeyReused, InvalidInput, NotFound
from ml_service.domain.ledger import (
    CREDITS_MAX,
    REGISTRATION_ACTOR,
    Actor,
    ActorKind,
    Balance,
    Kind,
    Transaction,
    Wallet,
    in_words,
)
from ml_service.domain.users import DELETED
from ml_service.storage import ledger, users
from ml_service.storage.database import Database, Session
from ml_service.storage.ledger import Books

EXPORT_ROWS = 1000
"""Of one piece of an export."""


async def balance(session: Session, user_id: UUID) -> Balance:
    """What the user can spend and what is held for unfinished predictions, in credits; raises NotFound."""
    found = await ledger.balance(session, user_id)
    if found is None:
        raise NotFound("There is no such user.")
    return found


@dataclass(frozen=True, slots=True)
class StatementCursor:
    """Where a statement goes on: before a transaction, and with the balance that there was before it."""

    before: int
    balance: int | None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A transaction, and the balance after it; None in a statement of one kind only."""

    transaction: Transaction
    balance_after: int | None


async def statement(
    session: Session, user_id: UUID, *, cursor: StatementCursor | None, kind: Kind | None, limit: int
) -> tuple[list[StatementLine], StatementCursor | None]:
    """A page of a user's transactions, newest first, and where to go on; None where it is the last.

    Balances are counted backwards from the one of the first page, so that no page reads what is newer than itself.
    """
    before = None if cursor is None else cursor.before
    found, balance_now = await ledger.statement(session, user_id, before=before, kind=kind, limit=limit + 1)
    balance = (balance_now if cursor is None else cursor.balance) if kind is None else None
    lines = []
    for one in found[:limit]:
        lines.append(StatementLine(one, balance))
        balance = None if balance is None else balance - one.change
    return lines, StatementCursor(found[limit - 1].id, balance) if len(found) > limit else None


async def export(
    database: Database, user_id: UUID, kind: Kind | None, before_piece: Callable[[], Awaitable[None]]
) -> AsyncIterator[list[StatementLine]]:
    """All of a user's transactions, newest first, some at a time.

    Args:
        before_piece: Awaited before each reading; what it raises ends the export.
    """
    cursor: StatementCursor | None = None
    while True:
        await before_piece()
        async with database.autocommit() as session:
            lines, cursor = await statement(session, user_id, cursor=cursor, kind=kind, limit=EXPORT_ROWS)
        if lines:
            yield lines
        if cursor is None:
            return


async def grant(session: Session, user_id: UUID, amount: int) -> int:
    """Give a new user starting credits; returns the balance."""
    return await _move(session, user_id, Kind.GRANT, amount, REGISTRATION_ACTOR)


class Moved(NamedTuple):
    """The balance after a movement, and whether the movement was made before, with the same key."""

    balance: int
    is_repeated: bool


async def move_by_hand(
    session: Session, user_id: UUID, kind: Kind, amount: int, actor: Actor, *, reason: str | None, key: str | None
) -> Moved:
    """Make a movement that a person decides on: a top-up, an adjustment, a refund or a chargeback.

    Args:
        reason: Kept in the ledger; only a top-up may have none.
        key: Repeating the movement with the same key moves nothing again. Refunds and chargebacks must have one.

    Raises:
        InvalidInput: It has no reason or no key where it needs one, or the amount cannot be: a refund is at most what
            was paid for predictions, a chargeback at most what was bought. Both read the ledger behind the wallet's
            lock, which every movement of it takes.
        IdempotencyKeyReused: The key stood for another movement.
        AccountDeleted: It would give something to an account that its user has deleted.
    """
    needs_key = kind in {Kind.REFUND, Kind.CHARGEBACK}
    if amount == 0 or (amount < 0 and kind is not Kind.ADJUSTMENT):
        raise InvalidInput(f"A movement of the kind {kind} has 1 credit or more; only an adjustment may be negative.")
    if (kind is not Kind.TOP_UP and not (reason or "").strip()) or (needs_key and not (key or "").strip()):
        raise InvalidInput(f"A movement of the kind {kind} needs a reason" + (" and a key." if needs_key else "."))
    if key is not None and (done := await _done_before(session, user_id, kind, amount, actor, reason, key)) is not None:
        return Moved(done.balance, is_repeated=True)
    if kind is Kind.REFUND and amount > (paid := await ledger.paid(session, user_id)):
        raise InvalidInput(f"A refund is at most what the user has paid for predictions: {in_words(paid)}.")
    if kind is Kind.CHARGEBACK and amount > (bought := max(0, await ledger.bought(session, user_id))):
        raise InvalidInput(f"A chargeback is at most what the user has bought by top-ups: {in_words(bought)}.")
    balance = await _move(session, user_id, kind, amount, actor, reason=reason, key=key)
    return Moved(balance, is_repeated=False)


async def top_up(session: Session, user_id: UUID, amount: int, actor: Actor, reason: str | None = None) -> int:
    """Add ``amount`` credits (1 or more) that were paid for; returns the balance."""
    return (await move_by_hand(session, user_id, Kind.TOP_UP, amount, actor, reason=reason, key=None)).balance


async def adjust(session: Session, user_id: UUID, amount: int, actor: Actor, reason: str) -> int:
    """Correct a balance by ``amount`` credits, either way, for a reason the ledger keeps; returns the balance."""
    return (await move_by_hand(session, user_id, Kind.ADJUSTMENT, amount, actor, reason=reason, key=None)).balance


async def refund(session: Session, user_id: UUID, amount: int, actor: Actor, *, reason: str, key: str) -> int:
    """Give back ``amount`` credits that the user's predictions cost; returns the balance."""
    return (await move_by_hand(session, user_id, Kind.REFUND, amount, actor, reason=reason, key=key)).balance


async def charge_back(session: Session, user_id: UUID, amount: int, actor: Actor, *, reason: str, key: str) -> int:
    """Take back ``amount`` credits whose payment was reversed; returns the balance."""
    return (await move_by_hand(session, user_id, Kind.CHARGEBACK, amount, actor, reason=reason, key=key)).balance


async def transfer_all(session: Session, source: UUID, target: UUID, reason: str, *, key: str | None = None) -> int:
    """Move a person's credits to their other account: two rows in one commit. Returns the credits moved.

    Unspent grants stay where they are: else free credits of many accounts could be gathered in one.

    Args:
        key: Where something was moved with the same key before, nothing moves, and that is what is returned.

    Raises:
        InvalidInput: The target's balance would leave its range, or there is no such user.
    """
    if source == target:
        return 0
    actor = Actor(ActorKind.USER, str(target))
    if key is not None:
        await ledger.lock_key(session, actor, key)
        if (earlier := await ledger.of_key(session, actor, key)) is not None:
            return -earlier.amount
    wallet = (await ledger.lock_wallets(session, [source, target])).get(source)
    if wallet is None or wallet.transferable == 0:
        return 0
    await _move(session, source, Kind.TRANSFER, -wallet.transferable, actor, reason=reason, key=key)
    await _move(session, target, Kind.TRANSFER, wallet.transferable, actor, reason=reason)
    return wallet.transferable


async def audit(session: Session, *, timeout_s: float | None = None) -> Books:
    """Recompute every balance, hold and capture from the ledger; changes nothing.

    Args:
        timeout_s: How long one of its statements may take; None: as the session has it.
    """
    return await ledger.audit(session, timeout_s=timeout_s)


async def _done_before(
    session: Session, user_id: UUID, kind: Kind, amount: int, actor: Actor, reason: str | None, key: str
) -> Wallet | None:
    """The user's wallet, where the same movement was made with the same key before; None: it is to be made."""
    await ledger.lock_key(session, actor, key)
    wallet = (await ledger.lock_wallets(session, [user_id])).get(user_id)
    earlier = await ledger.of_key(session, actor, key)
    if earlier is None:
        return None
    if wallet is None or (earlier.user_id, earlier.kind, earlier.amount, earlier.reason) != (
        user_id,
        kind,
        amount,
        reason,
    ):
        raise IdempotencyKeyReused("This idempotency key was used for a different movement before.")
    return wallet


async def _move(
    session: Session,
    user_id: UUID,
    kind: Kind,
    amount: int,
    actor: Actor,
    *,
    reason: str | None = None,
    key: str | None = None,
) -> int:
    if abs(amount) > CREDITS_MAX:
        raise InvalidInput(f"An amount has at most {CREDITS_MAX} credits.")
    after = await ledger.move(
        session, user_id, kind, amount, actor, reason=reason, balance_max=CREDITS_MAX, idempotency_key=key
    )
    if after is None:
        if amount > 0 and await users.is_deleted(session, user_id):
            raise AccountDeleted(DELETED)
        raise InvalidInput(f"The balance would leave the range from 0 to {CREDITS_MAX}, or there is no such user.")
    return after
