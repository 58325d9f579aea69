"""The user's own account: preferences, sign-ins and deletion."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from ml_service.domain.bulk import BulkStatus
from ml_service.domain.errors import DatabaseUnavailable, NotFound, PermissionDenied, WrongCredentials
from ml_service.domain.ledger import Actor, ActorKind
from ml_service.domain.submissions import Receiver
from ml_service.domain.users import Language, User
from ml_service.storage import bulk_jobs, chats, deleted_accounts, sessions, users, webhook_deliveries
from ml_service.storage.database import Database, Session
from ml_service.storage.sessions import SignIn
from ml_service.usecases.passwords import Passwords
from ml_service.usecases.users import WRONG, unauthenticated

SIGN_INS_MAX = 200
ERASED_TOGETHER = 500
"""Predictions that one statement cancels or erases: some tens of milliseconds."""
CHUNKS_TOGETHER = 100
SHARED = "The demo user is everybody's: its other sign-ins belong to other people."


async def set_preferences(
    session: Session,
    user: User,
    *,
    sets_language: bool = False,
    language: Language | None = None,
    notify: Sequence[Receiver] | None = None,
) -> User:
    """Change what the user prefers.

    Args:
        sets_language: Whether ``language`` counts; None then means: as the browser says.
        notify: Who also gets answers where a request does not say; None leaves it as it is.

    Raises:
        Unauthenticated: The account was deleted meanwhile.
    """
    changed = await users.set_preferences(
        session,
        user.id,
        sets_language=sets_language,
        language=language,
        notify=None if notify is None else sorted(set(notify)),
    )
    if changed is None:
        raise unauthenticated()
    return changed


async def sign_ins(session: Session, user: User, session_id: UUID) -> list[SignIn]:
    """Where the user is signed in, the last used first; of the demo user only this one."""
    found = await sessions.list_of(session, user.id, SIGN_INS_MAX)
    return [one for one in found if one.id == session_id] if user.is_demo else found


async def chats_of(session: Session, user: User) -> list[int]:
    """The chats that are connected to the account; the demo user's are other people's."""
    return [] if user.is_demo else await chats.ids_of(session, user.id)


async def end_sign_in(session: Session, user: User, session_id: UUID, ended_id: UUID) -> None:
    """End one of the user's sign-ins; its tokens end at once.

    Raises:
        NotFound: It is missing, has ended, or is another user's.
    """
    is_somebody_else = user.is_demo and ended_id != session_id
    if is_somebody_else or not await sessions.revoke_of(session, user.id, ended_id):
        raise NotFound("There is no such sign-in.")


async def end_other_sign_ins(session: Session, user: User, session_id: UUID) -> None:
    """End all of the user's sign-ins but this one; raises PermissionDenied for the demo user."""
    if user.is_demo:
        raise PermissionDenied(SHARED)
    await sessions.revoke_all_of(session, user.id, but=session_id)


async def delete(database: Database, passwords: Passwords, user: User, password: str, *, at_once_s: float) -> None:
    """Delete a user's account, without a way back.

    In one commit the name, the password, the sign-ins, what is preferred and the connected chats are gone. Then open
    predictions are canceled and texts erased, for ``at_once_s`` seconds; what is left the background finishes
    (`background/erasure.py`), also where the database fails meanwhile. The ledger stays, without a name.

    Raises:
        PermissionDenied: It is the demo user's, which everybody shares.
        WrongCredentials: It is not the password, or no longer.
        LastAdmin: Nobody else who can sign in is an admin.
        Overloaded: Too many passwords wait to be checked in this process.
        DatabaseUnavailable: The account is as it was, unless the connection broke at the commit.
    """
    if user.is_demo:
        raise PermissionDenied("The demo user cannot be deleted.")
    async with database.autocommit() as session:
        login = await users.login_of(session, user.username)
    if login is None or login.user_id != user.id or not await passwords.matches(login.password_hash, password):
        raise WrongCredentials(WRONG)
    async with database.begin() as session:
        if not await deleted_accounts.close(session, user.id, login.password_hash):
            raise WrongCredentials(WRONG)
    with suppress(DatabaseUnavailable):  # the account is deleted: an error would say that it is not
        await erase(database, user.id, seconds=at_once_s)


async def erase(database: Database, user_id: UUID, *, seconds: float) -> None:
    """Cancel what a deleted account has open and erase its texts; begins nothing more after ``seconds``."""
    end = time.monotonic() + seconds
    await _end_bulk_jobs(database, user_id, end)
    for some in (deleted_accounts.cancel_some, deleted_accounts.erase_some, webhook_deliveries.erase_some):
        done = 1
        while done:
            if time.monotonic() >= end:
                return
            async with database.begin() as session:
                done = await some(session, user_id, ERASED_TOGETHER)
    async with database.begin() as session:
        await deleted_accounts.leave_chats(session, user_id)
        await deleted_accounts.finish(session, user_id)


async def _end_bulk_jobs(database: Database, user_id: UUID, end: float) -> None:
    """Stop the bulk jobs of a deleted account, and delete those that have finished, until ``end``."""
    async with database.autocommit() as session:
        ids = await bulk_jobs.left_of(session, user_id)
    for bulk_id in ids:
        if time.monotonic() >= end:
            return
        async with database.begin() as session:
            actor = Actor(ActorKind.USER, str(user_id))
            await bulk_jobs.stop(session, bulk_id, user_id, BulkStatus.CANCELED, actor)
            await bulk_jobs.delete_some(session, bulk_id, CHUNKS_TOGETHER, is_finished=True)
