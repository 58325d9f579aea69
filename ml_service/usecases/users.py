"""Users and their sessions: registering, signing in, renewing, signing out."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import secrets
from dataclasses import dataclass
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ml_service.domain.errors import PermissionDenied, TooManyRequests, Unauthenticated, UsernameTaken, WrongCredentials
from ml_service.domain.predictions import new_id
from ml_service.domain.users import PASSWORD_LENGTH_MAX, User, check_password, check_username, username_key
from ml_service.storage import users
from ml_service.storage.database import Database, Session
from ml_service.usecases import ledger

DEMO_USERNAME = DEMO_PASSWORD = "test"  # noqa: S105  the demo user exists in demo mode only, and every page says so
WRONG = "User name or password is wrong."


class Passwords:
    """Argon2id (RFC 9106) in threads, as many at once as there are cores: each takes 19 MiB and some 35 ms.

    The parameters are OWASP's minimum: m = 19456 KiB, t = 2, p = 1.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._places = asyncio.Semaphore(os.cpu_count() or 1)
        # An unknown name costs what a known one does: its password is checked against this.
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to store."""
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hash's; takes as long where there is no hash."""
        if len(password) > PASSWORD_LENGTH_MAX:
            password = ""  # hashing a megabyte is what the sender wants
        async with self._places:
            matches = await asyncio.to_thread(self._verify, password_hash or self._nobody, password)
        return matches and password_hash is not None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


@dataclass(frozen=True, slots=True)
class SignInLimits:
    """How many wrong passwords in how many seconds, for one account and address."""

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
    is_admin: bool = False,
    is_demo: bool = False,
) -> User:
    """Add a user and grant the starting credits.

    Args:
        username: As `check_new_user` returned it.

    Raises:
        UsernameTaken: Somebody has the name already, compared without case.
    """
    user = await users.add(session, new_id(), username, password_hash, is_admin=is_admin, is_demo=is_demo)
    if user is None:
        raise UsernameTaken("This user name is taken.")
    if starting_credits == 0:
        return user
    balance = await ledger.grant(session, user.id, starting_credits)
    return User(user.id, user.username, user.is_admin, user.is_demo, balance, user.created_at)


@functools.cache
def common_passwords() -> frozenset[str]:
    """Some 30,000 of the most common passwords, in lower case, from the lists of zxcvbn."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  half a second, for those who choose passwords

    return frozenset(FREQUENCY_LISTS["passwords"])


def check_new_user(username: str, password: str) -> str:
    """Return the user name as it will be kept; raises InvalidInput where name or password break the rules."""
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
    """Take password and sessions from demo users: there are none in production mode. Returns how many it met."""
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
) -> Tokens:
    """Check a password and begin a session. No connection is held while the password is hashed.

    The attempt is counted before it is checked, so that parallel guesses cannot slip through.

    Raises:
        TooManyRequests: Too many wrong passwords for this account from this address.
        WrongCredentials: For unknown names and wrong passwords alike.
    """
    key = f"sign_in:{address}:{username_key(username)[:128]}"
    async with database.autocommit() as session:
        tries, seconds_left = await users.hit(session, key, limits.window_s)
        if tries > limits.wrong_max:
            raise TooManyRequests("Too many wrong passwords; wait a while.", retry_after_s=seconds_left)
        login = await users.login_of(session, username)
    matches = await passwords.matches(login.password_hash if login else None, password)
    if login is None or not matches:
        raise WrongCredentials(WRONG)
    async with database.begin() as session:
        tokens = await _begin_session(session, login.user_id, lifetime_s)
        await users.forget_hits(session, key)
    return tokens


async def renew(session: Session, refresh_token: str) -> Tokens | None:
    """Exchange a refresh token for a new one. Commit in any case: a replayed token ends its session (RFC 9700, 4.14.2).

    Returns:
        None where the token is not, or no longer, valid.
    """
    try:
        id_part, _, secret_part = refresh_token.partition(".")
        session_id, secret = UUID(hex=id_part), bytes.fromhex(secret_part)
    except ValueError:
        return None
    new_secret = secrets.token_bytes(32)
    user_id = await users.rotate_refresh(session, session_id, _hash(secret), _hash(new_secret))
    if user_id is None:
        await users.revoke_session(session, session_id)
        return None
    return Tokens(user_id, session_id, f"{session_id.hex}.{new_secret.hex()}")


async def sign_out(session: Session, session_id: UUID) -> None:
    """End a session; its access and refresh tokens die at once."""
    await users.revoke_session(session, session_id)


async def change_password(
    database: Database, passwords: Passwords, user: User, old: str, new: str, *, lifetime_s: float
) -> Tokens:
    """Replace the password, end all sessions, and begin a new one for whoever knew both passwords.

    Raises:
        WrongCredentials: ``old`` is not the password.
        InvalidInput: ``new`` breaks the rules.
    """
    check_password(new, user.username, common_passwords())
    async with database.autocommit() as session:
        login = await users.login_of(session, user.username)
    if login is None or not await passwords.matches(login.password_hash, old):
        raise WrongCredentials(WRONG)
    password_hash = await passwords.hash(new)
    async with database.begin() as session:
        await users.set_password_hash(session, user.id, password_hash)
        await users.revoke_sessions_of(session, user.id)
        return await _begin_session(session, user.id, lifetime_s)


async def _begin_session(session: Session, user_id: UUID, lifetime_s: float) -> Tokens:
    session_id, secret = new_id(), secrets.token_bytes(32)
    await users.add_session(session, session_id, user_id, _hash(secret), lifetime_s)
    return Tokens(user_id, session_id, f"{session_id.hex}.{secret.hex()}")


async def get_by_name(session: Session, username: str) -> User | None:
    """The user of this name, compared without case."""
    return await users.get_by_name(session, username)


async def make_admin(session: Session, user: User) -> None:
    """Give a user the rights of an admin; raises PermissionDenied for the demo user, whose password all know."""
    if user.is_demo:
        raise PermissionDenied("The demo user cannot be an admin.")
    await users.set_admin(session, user.id, is_admin=True)


async def users_of_sessions(session: Session, session_ids: list[UUID]) -> dict[UUID, User]:
    """The users of those sessions that are still valid: one statement for the tokens of one moment."""
    return await users.users_of_sessions(session, session_ids)


async def check_rate(session: Session, key: str, *, hits_max: int, window_s: float) -> None:
    """Count one hit on ``key``; raises TooManyRequests past ``hits_max`` in ``window_s`` seconds."""
    hits, seconds_left = await users.hit(session, key, window_s)
    if hits > hits_max:
        raise TooManyRequests("Too many requests; wait a while.", retry_after_s=seconds_left)


def unauthenticated() -> Unauthenticated:
    """The one answer to every token that is missing, broken, expired or revoked."""
    return Unauthenticated("The access token is missing, broken, expired or revoked.")


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
