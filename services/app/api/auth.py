"""Access tokens: made here, checked here, and only as good as their session.

A token is a JWT (HS256) that lives some minutes; the session that it names is looked up at each request, for all
tokens of one moment in one statement, so that signing out takes effect at once and exactly.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from ml_service.domain.errors import DatabaseUnavailable, Unauthenticated
from ml_service.domain.users import User
from ml_service.gather import Gather
from ml_service.storage.database import Database
from ml_service.usecases.users import Tokens, unauthenticated, users_of_sessions

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "ml-service"
TOKEN_LENGTH_MAX = 2048
KNOWN_MAX = 10_000
"""Tokens whose signature is remembered to be right: some 10 MB at the most."""

_scheme = OAuth2PasswordBearer(
    tokenUrl="token",
    refreshUrl="token",
    description="Sign in with user name and password; in demo mode with test and test.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who asks, and by which session."""

    user: User
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says."""

    user_id: UUID
    session_id: UUID
    expires_at: float


class AccessTokens:
    """Issues and checks access tokens.

    Args:
        secret: The signing key, 32 bytes or more.
        lifetime_s: Seconds that an access token is good for.
    """

    def __init__(self, database: Database, secret: str, lifetime_s: int) -> None:
        self._database = database
        self._secret = secret
        self.lifetime_s = lifetime_s
        self._known: dict[str, Claims] = {}
        self._sessions: Gather[UUID, User | None] = Gather(
            self._look_up, calls_max=500, rounds_max=1, timeout_s=database.timeout_s
        )

    def issue(self, tokens: Tokens) -> str:
        """An access token for a session."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(tokens.user_id),
            "sid": str(tokens.session_id),
            "typ": "access",
            "iat": now,
            "exp": now + self.lifetime_s,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    async def check(self, token: str | None) -> SignedIn:
        """Whose token this is.

        Raises:
            Unauthenticated: It is missing, broken, foreign, expired or revoked: one answer to all.
            DatabaseUnavailable: The session cannot be looked up.
        """
        claims = self.claims(token)
        try:
            user = await self._sessions(claims.session_id)
        except TimeoutError as error:
            raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error
        if user is None or user.id != claims.user_id:
            raise unauthenticated()
        return SignedIn(user, claims.session_id)

    def claims(self, token: str | None) -> Claims:
        """What the token says; whether its session is valid still, nobody has looked yet.

        Raises:
            Unauthenticated: It is missing, broken, foreign or expired.
        """
        if not token or len(token) > TOKEN_LENGTH_MAX:
            raise unauthenticated()
        claims = self._known.get(token) or self._verified(token)
        if claims.expires_at <= time.time():
            raise unauthenticated()
        return claims

    def _verified(self, token: str) -> Claims:
        """What the token says, if we have signed it. That never changes, so it is worked out once for each token."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
            if claims.get("typ") != "access":
                raise unauthenticated()
            verified = Claims(UUID(claims["sub"]), UUID(claims["sid"]), float(claims["exp"]))
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, AttributeError):
            raise unauthenticated() from None
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[token] = verified
        return verified

    async def _look_up(self, session_ids: Sequence[UUID]) -> list[User | Exception | None]:
        async with self._database.autocommit() as session:
            found = await users_of_sessions(session, list(session_ids))
        return [found.get(session_id) for session_id in session_ids]


async def signed_in(request: Request, token: Annotated[str | None, Depends(_scheme)]) -> SignedIn:
    """The dependency of every route that is not public."""
    access: AccessTokens = request.app.state.parts.access
    return await access.check(token)


CurrentUser = Annotated[SignedIn, Depends(signed_in)]
NEEDS_TOKEN = Unauthenticated
"""What every route with a CurrentUser may answer with; for `problems()`."""
