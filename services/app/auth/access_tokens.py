"""Access tokens: made here, checked here, and only as good as their session.

A token is a JWT (HS256) that lives some minutes; the session that it names is looked up at each request, for all
tokens of one moment in one statement, so that signing out takes effect at once and exactly.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import jwt

from ml_service.domain.credentials import Principal
from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.users import User
from ml_service.platform.micro_batch import MicroBatch
from ml_service.storage.database import Database
from ml_service.usecases.users import Tokens, unauthenticated, users_of_sessions
from services.app.auth.callers import SignedIn

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "ml-service"
PAGE = "page"
"""The claim ``azp`` (to whom a token was issued) of the page's tokens; others have none."""
TOKEN_LENGTH_MAX = 2048
KNOWN_MAX = 10_000
"""Tokens whose signature is remembered to be right: 10 MB at most."""


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
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
        self._known: dict[str, _Verified] = {}
        self._sessions: MicroBatch[UUID, User | None] = MicroBatch(
            self._look_up, calls_max=500, rounds_max=1, timeout_s=database.timeout_s
        )

    def issue(self, tokens: Tokens, *, is_page: bool = False) -> str:
        """An access token for a session; one for the service's own page says so."""
        now = int(time.time())
        claims: dict[str, str | int] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(tokens.user_id),
            "sid": str(tokens.session_id),
            "typ": "access",
            "iat": now,
            "exp": now + self.lifetime_s,
        }
        if is_page:
            claims["azp"] = PAGE
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    async def check(self, token: str | None) -> SignedIn:
        """Whose token this is.

        Raises:
            Unauthenticated: It is missing, broken, foreign, expired or revoked: one answer to all.
            DatabaseUnavailable: The session cannot be looked up.
        """
        principal = self.principal(token)
        assert principal.session_id is not None  # noqa: S101  every token names its session
        user = await self._user_of(principal.session_id)
        if user is None or user.id != principal.user_id:
            raise unauthenticated()
        return SignedIn(user, principal, principal.session_id)

    async def is_active(self, signed_in: SignedIn) -> bool:
        """Whether the session has not ended since it was checked; raises DatabaseUnavailable."""
        user = await self._user_of(signed_in.session_id)
        return user is not None and user.id == signed_in.user.id

    async def _user_of(self, session_id: UUID) -> User | None:
        try:
            return await self._sessions(session_id)
        except TimeoutError as error:
            raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error

    def principal(self, token: str | None) -> Principal:
        """Who the token says is asking. Whether the session is still valid has not been looked up.

        Raises:
            Unauthenticated: It is missing, broken, foreign or expired.
        """
        if not token or len(token) > TOKEN_LENGTH_MAX:
            raise unauthenticated()
        verified = self._known.get(token) or self._verify(token)
        if verified.expires_at <= time.time():
            raise unauthenticated()
        return verified.principal

    def _verify(self, token: str) -> _Verified:
        """What the token says, if we signed it. That never changes, so it is worked out once for each token."""
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
            is_page = claims.get("azp") == PAGE
            principal = Principal(UUID(claims["sub"]), UUID(claims["sid"]), is_page)
            verified = _Verified(principal, float(claims["exp"]))
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
