"""What admins may change. Each change and its entry in the log of actions are one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from ml_service.domain.bulk import BulkJob
from ml_service.domain.errors import (
    AccountDeleted,
    Forbidden,
    InvalidInput,
    ModelNotFound,
    NotFound,
    PermissionDenied,
)
from ml_service.domain.ledger import COMMAND_LINE, Actor, ActorKind, Kind, wallet_change
from ml_service.domain.roles import Role
from ml_service.domain.users import DELETED
from ml_service.messaging.queue import Handled, Queue
from ml_service.storage import admin_actions, admin_users, link_codes, sessions, users
from ml_service.storage import models as stored_models
from ml_service.storage.admin_actions import AdminAction
from ml_service.storage.admin_users import UserAccount
from ml_service.storage.database import Database, Session
from ml_service.usecases import bulk, ledger, models

CREDITS_BY_HAND_MAX = 1_000_000_000
"""In one movement by hand; a slip of the finger is not a fortune."""
PRICE_MAX = 999_999_999
REASON_LENGTH_MAX = 500
NO_USER = "There is no such user."


@dataclass(frozen=True, slots=True)
class Admin:
    """Who does something: somebody with a role, or an operator at the command line (``id`` is None).

    Attributes:
        credits_per_day_max: Credits that they may give to others in a day, and take none; None: no limit.
    """

    id: UUID | None
    name: str
    role: Role = Role.ADMIN
    credits_per_day_max: int | None = None

    @property
    def actor(self) -> Actor:
        """As the ledger names them."""
        return COMMAND_LINE if self.id is None else Actor(ActorKind.ADMIN, str(self.id))


OPERATOR = Admin(None, COMMAND_LINE.id)
"""Who has access to the machine; the command line knows no user."""


async def record(
    session: Session,
    admin: Admin,
    action: str,
    target: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Write an action into the log, in the transaction of the change; raises InvalidInput for a bad reason."""
    await admin_actions.record(
        session,
        admin.id,
        admin.name,
        action,
        target,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        reason=None if reason is None else checked_reason(reason),
    )


def checked_reason(reason: str) -> str:
    """A reason as it is stored; raises InvalidInput if it is empty or too long."""
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX:
        raise InvalidInput(f"Give a reason of at most {REASON_LENGTH_MAX} characters.")
    return reason.strip()


async def actions(session: Session, *, before: int | None, limit: int) -> tuple[list[AdminAction], int | None]:
    """A page of the log, newest first, and the id to continue before; None where it is the last."""
    page = await admin_actions.page(session, before=before, limit=limit + 1)
    return page[:limit], page[limit - 1].id if len(page) > limit else None


async def account(session: Session, user_id: UUID) -> UserAccount:
    """A user as an admin looks at them; raises NotFound."""
    found = await admin_users.get(session, user_id)
    if found is None:
        raise NotFound(NO_USER)
    return found


async def _no_account(session: Session, user_id: UUID) -> AccountDeleted | NotFound:
    """Why a statement found no account to change."""
    return AccountDeleted(DELETED) if await users.is_deleted(session, user_id) else NotFound(NO_USER)


async def list_accounts(
    session: Session, *, name: str | None, before: UUID | None, limit: int
) -> tuple[list[UserAccount], UUID | None]:
    """A page of users, the newest first, and the id to continue before; ``name``: whose name begins with it."""
    page = await admin_users.page(session, name=name, before=before, limit=limit + 1)
    return page[:limit], page[limit - 1].id if len(page) > limit else None


async def set_blocked(session: Session, admin: Admin, user_id: UUID, *, is_blocked: bool, reason: str) -> None:
    """Block a user, whose sessions and unused link codes end, or end the block.

    Predictions that were accepted are finished, and can be read again once the block has ended.

    Raises:
        NotFound: There is no such user.
        AccountDeleted: The user has deleted the account.
        InvalidInput: An admin blocks themselves.
        LastAdmin: Nobody who can sign in would be an admin.
    """
    if user_id == admin.id and is_blocked:
        raise InvalidInput("Admins cannot block themselves.")
    before = await admin_users.set_blocked(session, user_id, is_blocked=is_blocked)
    if before is None:
        raise await _no_account(session, user_id)
    if is_blocked:
        await sessions.revoke_all_of(session, user_id)
        await link_codes.end_unused(session, user_id)
    await record(
        session,
        admin,
        "user.block" if is_blocked else "user.unblock",
        f"user:{user_id}",
        before={"is_blocked": before},
        after={"is_blocked": is_blocked},
        reason=reason,
    )


async def move_credits(
    session: Session, admin: Admin, user_id: UUID, kind: Kind, amount: int, *, reason: str | None, key: str | None
) -> ledger.Moved:
    """Top a user up, adjust a balance, refund or charge back; see `ledger.move_by_hand`. A repetition is logged once.

    Raises:
        NotFound: There is no such user.
        Forbidden: The role does not allow it, or not so much in a day.
        InvalidInput, IdempotencyKeyReused, AccountDeleted: As `ledger.move_by_hand`.
    """
    reason = None if reason is None else checked_reason(reason)
    if abs(amount) > CREDITS_BY_HAND_MAX:
        raise InvalidInput(f"One movement by hand has at most {CREDITS_BY_HAND_MAX} credits.")
    if await admin_users.get(session, user_id) is None:
        raise NotFound(NO_USER)
    if admin.credits_per_day_max is not None and (amount < 0 or user_id == admin.id):
        raise Forbidden("Only an admin may take credits away, or move their own.", role=Role.ADMIN)
    moved = await ledger.move_by_hand(session, user_id, kind, amount, admin.actor, reason=reason, key=key)
    if not moved.is_repeated:
        await _check_given(session, admin, amount)
        change = wallet_change(kind, amount)
        await record(
            session,
            admin,
            f"credits.{kind.value}",
            f"user:{user_id}",
            before={"balance": moved.balance - change},
            after={"balance": moved.balance, "amount": amount},
            reason=reason,
        )
    return moved


async def _check_given(session: Session, admin: Admin, amount: int) -> None:
    """Refuse credits that are more than this person may give in a day; their movements wait for each other."""
    if admin.credits_per_day_max is None:
        return
    assert admin.id is not None  # noqa: S101  the command line has no limit
    left = max(0, admin.credits_per_day_max - await admin_actions.credits_given(session, admin.id))
    if amount > left:
        raise Forbidden(
            f"With this role you may give {admin.credits_per_day_max} credits in 24 hours, and {left} are left.",
            role=Role.ADMIN,
            credits_left=left,
        )


async def set_role(session: Session, admin: Admin, user_id: UUID, role: Role | None, *, reason: str | None) -> None:
    """Give a user a role in place of the one before, or none; in force at once on all replicas.

    Raises:
        NotFound: There is no such user.
        AccountDeleted: The user has deleted the account.
        PermissionDenied: It is the demo user, whose password all know.
        LastAdmin: Nobody who can sign in would be an admin.
    """
    if role is not None and (await account(session, user_id)).is_demo:
        raise PermissionDenied("The demo user cannot have a role.")
    before = await users.set_role(session, user_id, role)
    if before is None:
        raise await _no_account(session, user_id)
    await record(
        session,
        admin,
        "user.role",
        f"user:{user_id}",
        before={"role": before[0]},
        after={"role": role},
        reason=reason,
    )


async def change_model(
    session: Session,
    admin: Admin,
    name: str,
    changes: Mapping[str, Any],
    *,
    reason: str | None,
    allow_unserved: bool = False,
) -> None:
    """Change what is chosen for a model.

    Args:
        changes: Some of ``price_credits`` (None: the model's own price), ``default_version`` and ``is_enabled``.
        allow_unserved: Whether the default version may be one that no live worker serves.

    Raises:
        ModelNotFound: No worker has ever announced this model, or this version.
        InvalidInput: No live worker serves the version.
    """
    before = await stored_models.choices(session, name)
    if before is None:
        raise ModelNotFound(f"There is no model named {name!r}.")
    if "price_credits" in changes:
        await models.set_price(session, name, changes["price_credits"])
    if "default_version" in changes:
        version = changes["default_version"]
        is_default = version == before.default_version
        await models.promote(session, name, version, allow_unserved=allow_unserved or is_default)
    if "is_enabled" in changes:
        await stored_models.set_enabled(session, name, is_enabled=changes["is_enabled"])
    known = asdict(before)
    shown = set(changes)
    if "price_credits" in changes and before.price_credits is None:
        shown.add("own_price_credits")  # what was asked so far
    await record(
        session,
        admin,
        "model.change",
        f"model:{name}",
        before={field: known[field] for field in sorted(shown)},
        after=changes,
        reason=reason,
    )


async def rollback_model(
    session: Session, admin: Admin, name: str, *, reason: str | None = None, allow_unserved: bool = False
) -> str:
    """Go back to the version that was the default before; returns it. Raises ModelNotFound, InvalidInput."""
    before = await stored_models.choices(session, name)
    version = await models.rollback(session, name, allow_unserved=allow_unserved)
    await record(
        session,
        admin,
        "model.change",
        f"model:{name}",
        before={"default_version": before.default_version if before else None},
        after={"default_version": version},
        reason=reason,
    )
    return version


async def forget_model(session: Session, admin: Admin, name: str) -> None:
    """Take a model, or a version given as name@version, out of the list. Raises ModelNotFound."""
    await models.forget(session, name)
    await record(session, admin, "model.forget", f"model:{name}")


async def cancel_bulk_job(database: Database, admin: Admin, bulk_id: UUID, *, reason: str) -> BulkJob:
    """Cancel anybody's bulk job, as `bulk.stop` does. Canceling twice is no error, and logged once.

    Raises:
        InvalidInput: There is no reason, or the job is still being received.
        NotFound, AlreadyFinished: There is no such job, or it has ended otherwise.
    """
    reason = checked_reason(reason)
    async with database.begin() as session:
        job = await bulk.get(session, None, bulk_id)
        if await bulk.stop(session, job.user_id, bulk_id, admin.actor):
            after = {"bulk_id": str(bulk_id), "model": job.model}
            await record(session, admin, "bulk.cancel", f"user:{job.user_id}", after=after, reason=reason)
    await bulk.cancel_open(database, job.user_id, bulk_id)
    async with database.autocommit() as session:
        return await bulk.get(session, None, bulk_id)


async def replay_dead_letters(
    database: Database, queue: Queue, admin: Admin, *, ids: list[str] | None, count: int | None = None
) -> Handled:
    """Send dead letters to their queue again: those of ``ids``, or the oldest ``count``, or all.

    The log is written before, since the queue need not be the database: what is done is always in it.

    Raises:
        QueueUnavailable: The broker does not answer in time.
    """
    if count is not None:
        ids = [letter.id for letter in await queue.dead_letters(count)]
        if not ids:
            return Handled()
    await _record_letters(database, admin, "dead_letters.replay", ids)
    return await queue.replay_dead(ids)


async def discard_dead_letters(database: Database, queue: Queue, admin: Admin, *, ids: list[str] | None) -> Handled:
    """Delete dead letters, those of ``ids`` or all; logged before, as `replay_dead_letters` is."""
    await _record_letters(database, admin, "dead_letters.discard", ids)
    return await queue.discard_dead(ids)


async def _record_letters(database: Database, admin: Admin, action: str, ids: list[str] | None) -> None:
    after = {"letters": "all"} if ids is None else {"letters": len(ids), "first": ids[:10]}
    async with database.begin() as session:
        await record(session, admin, action, "dead_letters", after=after)
