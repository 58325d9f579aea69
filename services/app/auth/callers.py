"""Who asks, once that has been looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from ml_service.domain.credentials import ApiKey, Principal, Scope
from ml_service.domain.users import User


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, and the sign-in or the API key by which somebody acts as that user.

    Attributes:
        scope: The scope for which the key was admitted; None for a sign-in.
    """

    user: User
    principal: Principal
    key: ApiKey | None = field(default=None, kw_only=True)
    scope: Scope | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class SignedIn(Caller):
    """A user, and the session by which they are signed in."""

    session_id: UUID
