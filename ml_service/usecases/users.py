"""Users and their sessions: registering, signing in, renewing, signing out."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from ml_service.domain.errors import (
    Blocked,
    Overloaded,
    PermissionDenied,
    TooManyRequests,
    Unauthenticated,
    UsernameTaken,
    WrongCredentials,
)
from ml_service.domain.ids import new_id
from ml_service.domain.rate_limits import Note, RateLimit, unnoted
from ml_service.domain.users import User, check_password, check_username, username_key
from ml_service.storage import link_codes, rate_limits, sessions, users
from ml_service.storage.database import Database, Session
from ml_service.storage.sessions import UNKNOWN_DEVICE, Device
from ml_service.storage.users import Login
from ml_service.usecases import ledger
from ml_service.usecases.passwords import Passwords, common_passwords

DEMO_USERNAME = DEMO_PASSWORD = "test"  # noqa: S105  the demo user exists in demo mode only, and every page says so
WRONG = "User name or password is wrong."
SPREAD_MAX = 20
"""So many times the limit of one account and address is allowed for the account, and for the address, in all."""


@dataclass(frozen=True, slots=True)
class SignInLimits:
    """How many wrong passwords in how many seconds, for one account and address; see also SPREAD_MAX."""

    wrong_max: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a signed-in user holds: the session is what both tokens belong to."""

    user_id: UUID
    session_id: UUID
    refresh_token: str


async def register(
    session: Session,
    username: str,
    password_hash: str | None,
    *,
    starting_credits: int,
    is_demo: bool = False,
) -> User:
    """Add a user and grant the starting credits.

    Args:
        username: As `check_new_user` returned it.

    Raises:
        UsernameTaken: Somebody has the name already, compared without case.
    """
    user = await users.add(session, new_id(), username, password_hash, is_demo=is_demo)
    if user is None:
        raise UsernameTaken("This user name is taken.")
    if starting_credits == 0:
        return user
    balance = await ledger.grant(session, user.id, starting_credits)
    return replace(user, balance=balance)


def check_new_user(username: str, password: str) -> str:
    """Return the user name as it will be kept; raises InvalidInput where name or password break the rules.

    Takes half a second at its first call: call it in a thread.
    """
    name = check_username(username)
    check_password(password, name, common_passwords())
    return name


async def ensure_demo_user(database: Database, passwords: Passwords, *, starting_credits: int) -> None:
    """Make the user test/test if it does not exist; past the password rules, and only ever in demo mode."""
    async with database.autocommit() as session:
        known = await users.login_of(session, DEMO_USERNAME)
    if known is not None and (known.password_hash is not None or not known.is_demo):
        return
    password_hash = await passwords.hash(DEMO_PASSWORD)
    async with database.begin() as session:
        if known is not None:  # locked while the service ran in production mode
            await users.set_password_hash(session, known.user_id, password_hash)
            return
        try:
            await register(session, DEMO_USERNAME, password_hash, starting_credits=starting_credits, is_demo=True)
        except UsernameTaken:
            return  # another process was faster


async def lock_out_demo_users(session: Session) -> int:
    """Take password and sessions from demo users: there are none in production mode. Returns how many there were."""
    return await users.lock_out_demo_users(session)


async def sign_in(
    database: Database,
    passwords: Passwords,
    username: str,
    password: str,
    *,
    address: str,
    limits: SignInLimits,
    lifetime_s: float,
    client: str | None = None,
    note: Note = unnoted,
) -> Tokens:
    """Check a password and begin a session. No connection is held while the password is hashed.

    The attempt is counted before it is checked, so that parallel guesses cannot slip through, and the count is given
    back where the password was right, or was not checked because too many waited.

    Args:
        address, client: Where the sign-in comes from, and what it is sent by; shown to the user among their sign-ins.
        note: Told how many wrong passwords this account has had from this address.

    Raises:
        TooManyRequests: Too many wrong passwords for this account, from this address, or both.
        WrongCredentials: For unknown names and wrong passwords alike.
        Blocked: The password is right, and an admin has blocked the user.
        Overloaded: Too many passwords wait to be checked in this process.
    """
    name = username_key(username)[:128]
    key = f"sign_in:{address}:{name}"
    spread = (f"sign_in_from:{address}", f"sign_in_to:{name}")
    async with passwords.turn(key):
        async with database.autocommit() as session:
            limit = await _count(session, key, limits.wrong_max, limits.window_s)
            note(limit)
            if limit.is_exceeded:
                raise _too_many_wrong(limit)
            for one in spread:
                wide = await _count(session, one, limits.wrong_max * SPREAD_MAX, limits.window_s)
                if wide.is_exceeded:
                    raise _too_many_wrong(wide)
            login = await users.login_of(session, username)
        matches = await _matches(database, passwords, login, password, (key, *spread))
        if login is None or not matches:
            raise WrongCredentials(WRONG)
        if login.is_blocked:
            raise blocked()
        async with database.begin() as session:
            tokens = await _begin_session(session, login, lifetime_s, Device(address, client))
            await rate_limits.reset(session, key)
            for one in spread:
                await rate_limits.give_back(session, one)
        note(replace(limit, hits=0))
    if tokens is None:
        raise WrongCredentials(WRONG)  # the password was changed meanwhile, or the user blocked
    return tokens


async def _matches(
    database: Database, passwords: Passwords, login: Login | None, password: str, counted: Sequence[str]
) -> bool:
    """Check a password; gives back what was ``counted``, and raises Overloaded, where too many wait for that."""
    try:
        return await passwords.matches(login.password_hash if login else None, password)
    except Overloaded:
        async with database.begin() as session:
            for one in counted:
                await rate_limits.give_back(session, one)
        raise


def _too_many_wrong(limit: RateLimit) -> TooManyRequests:
    return TooManyRequests("Too many wrong passwords; wait a while.", retry_after_s=limit.seconds_left)


async def renew(session: Session, refresh_token: str) -> Tokens | None:
    """Exchange a refresh token for a new one. Commit in any case: a replayed token ends its session (RFC 9700, 4.14.2).

    Returns:
        None where the token is not, or no longer, valid.
    """
    found = _read_refresh_token(refresh_token)
    if found is None:
        return None
    session_id, secret = found
    new_secret = secrets.token_bytes(32)
    user_id = await sessions.rotate_refresh(session, session_id, _hash(secret), _hash(new_secret))
    if user_id is None:
        await sessions.revoke(session, session_id)
        return None
    return Tokens(user_id, session_id, f"{session_id.hex}.{new_secret.hex()}")


async def sign_out(session: Session, session_id: UUID) -> None:
    """End a session; its access and refresh tokens die at once."""
    await sessions.revoke(session, session_id)


async def sign_out_by_refresh_token(session: Session, refresh_token: str) -> None:
    """End the session of a refresh token, of a replaced one too; one that is no token ends nothing."""
    if (found := _read_refresh_token(refresh_token)) is not None:
        await sessions.revoke(session, found[0])


async def change_password(
    database: Database,
    passwords: Passwords,
    user: User,
    old: str,
    new: str,
    *,
    lifetime_s: float,
    device: Device = UNKNOWN_DEVICE,
) -> Tokens:
    """Replace the password, end all sessions and unused link codes, and begin a new session.

    Raises:
        PermissionDenied: Of the demo user, whose password everybody knows.
        WrongCredentials: ``old`` is not the password, or no longer.
        InvalidInput: ``new`` breaks the rules.
        Overloaded: Too many passwords wait to be checked in this process.
    """
    if user.is_demo:
        raise PermissionDenied("The demo user's password cannot be changed.")
    await asyncio.to_thread(lambda: check_password(new, user.username, common_passwords()))
    async with database.autocommit() as session:
        login = await users.login_of(session, user.username)
    if login is None or not await passwords.matches(login.password_hash, old):
        raise WrongCredentials(WRONG)
    password_hash = await passwords.hash(new)
    async with database.begin() as session:
        # From here the user's row is locked: a sign-in that has checked the old password waits, and is then refused.
        # One that was faster is visible to the next statement, and ends.
        if not await users.replace_password_hash(session, user.id, login.password_hash, password_hash):
            raise WrongCredentials(WRONG)
        await sessions.revoke_all_of(session, user.id)
        await link_codes.end_unused(session, user.id)
        login = Login(user.id, password_hash, is_demo=False)
        tokens = await _begin_session(session, login, lifetime_s, device)
    assert tokens is not None  # noqa: S101  this transaction has just set the hash and holds the row's lock
    return tokens


async def _begin_session(session: Session, login: Login, lifetime_s: float, device: Device) -> Tokens | None:
    """Begin a session if the password that was checked is still the user's."""
    session_id, secret = new_id(), secrets.token_bytes(32)
    if not await sessions.add(session, session_id, login, _hash(secret), lifetime_s, device):
        return None
    return Tokens(login.user_id, session_id, f"{session_id.hex}.{secret.hex()}")


async def get_by_name(session: Session, username: str) -> User | None:
    """The user of this name, compared without case."""
    return await users.get_by_name(session, username)


async def users_of_sessions(session: Session, session_ids: list[UUID]) -> dict[UUID, User]:
    """The users of those sessions that are still valid: one statement for the tokens of one moment."""
    return await sessions.users_of_sessions(session, session_ids)


async def check_rate(session: Session, key: str, *, hits_max: int, window_s: float, note: Note = unnoted) -> None:
    """Count one hit on ``key``, named up to its first colon; raises TooManyRequests past ``hits_max`` in ``window_s``.

    Args:
        note: Told how much of the limit is used up.
    """
    limit = await _count(session, key, hits_max, window_s)
    note(limit)
    if limit.is_exceeded:
        raise TooManyRequests("Too many requests; wait as long as Retry-After says.", retry_after_s=limit.seconds_left)


async def _count(session: Session, key: str, hits_max: int, window_s: float) -> RateLimit:
    hits, seconds_left = await rate_limits.hit(session, key, window_s)
    return RateLimit(key.partition(":")[0].replace("_", "-"), hits_max, window_s, hits, seconds_left)


def blocked() -> Blocked:
    """The answer to everybody whom an admin has blocked."""
    return Blocked("This account is blocked; ask the operator of this service.")


def unauthenticated() -> Unauthenticated:
    """The one answer to every token that is missing, broken, expired or revoked."""
    return Unauthenticated("The access token or API key is missing, broken, expired or revoked.")


def _read_refresh_token(token: str) -> tuple[UUID, bytes] | None:
    """The session's id and the secret of a refresh token; None where it is none."""
    id_part, _, secret_part = token.partition(".")
    try:
        return UUID(hex=id_part), bytes.fromhex(secret_part)
    except ValueError:
        return None


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
