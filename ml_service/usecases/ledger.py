"""Credits: what a user has, what moved, and what an admin may do about it."""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.errors import InvalidInput, NotFound
from ml_service.domain.ledger import CREDITS_MAX, Balance, Kind, Transaction
from ml_service.storage import ledger
from ml_service.storage.database import Session
from ml_service.storage.ledger import Books


async def balance(session: Session, user_id: UUID) -> Balance:
    """What the user can spend and what is held for unfinished predictions, in credits; raises NotFound."""
    found = await ledger.balance(session, user_id)
    if found is None:
        raise NotFound("There is no such user.")
    return found


async def statement(
    session: Session, user_id: UUID, *, before: int | None, kind: Kind | None, limit: int
) -> tuple[list[Transaction], int | None]:
    """A page of a user's transactions, newest first, and the id to continue before; None where it is the last."""
    page = await ledger.statement(session, user_id, before=before, kind=kind, limit=limit + 1)
    return page[:limit], page[limit - 1].id if len(page) > limit else None


async def grant(session: Session, user_id: UUID, amount: int) -> int:
    """Give a new user starting credits; returns the balance."""
    return await _move(session, user_id, Kind.GRANT, amount, None)


async def top_up(session: Session, user_id: UUID, amount: int, reason: str | None = None) -> int:
    """Add ``amount`` credits (1 or more) that were paid for; returns the balance."""
    if amount < 1:
        raise InvalidInput("A top-up is of 1 credit or more.")
    return await _move(session, user_id, Kind.TOP_UP, amount, reason)


async def adjust(session: Session, user_id: UUID, amount: int, reason: str) -> int:
    """Correct a balance by ``amount`` credits, either way, for a reason the ledger keeps; returns the balance."""
    if amount == 0 or not reason.strip():
        raise InvalidInput("An adjustment needs an amount other than 0 and a reason.")
    return await _move(session, user_id, Kind.ADJUSTMENT, amount, reason)


async def transfer_all(session: Session, source: UUID, target: UUID, reason: str) -> int:
    """Move a person's whole balance to their other account: two rows in one commit. Returns the credits moved.

    Raises:
        InvalidInput: The target's balance would leave its range, or there is no such user.
    """
    if source == target:
        return 0
    amount = (await ledger.lock_wallets(session, [source, target])).get(source, 0)
    if amount == 0:
        return 0
    await _move(session, source, Kind.TRANSFER, -amount, reason)
    await _move(session, target, Kind.TRANSFER, amount, reason)
    return amount


async def audit(session: Session) -> Books:
    """Recompute every balance, hold and capture from the ledger; changes nothing."""
    return await ledger.audit(session)


async def _move(session: Session, user_id: UUID, kind: Kind, amount: int, reason: str | None) -> int:
    if abs(amount) > CREDITS_MAX:
        raise InvalidInput(f"An amount has at most {CREDITS_MAX} credits.")
    after = await ledger.move(session, user_id, kind, amount, reason=reason, balance_max=CREDITS_MAX)
    if after is None:
        raise InvalidInput(f"The balance would leave the range from 0 to {CREDITS_MAX}, or there is no such user.")
    return after
