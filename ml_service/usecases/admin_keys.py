"""What admins may do with API keys of users; each change and its entry in the log of actions are one commit."""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.errors import NotFound
from ml_service.storage import api_keys as stored_keys
from ml_service.storage.api_keys import KeyFields
from ml_service.storage.database import Session
from ml_service.usecases import api_keys
from ml_service.usecases.admin import Admin, record
from ml_service.usecases.api_keys import KeyWithToken

KEYS_MAX = 10_000
"""Of one user; what users may make themselves is a setting."""


async def create(
    session: Session, admin: Admin, user_id: UUID, fields: KeyFields, *, reason: str | None
) -> KeyWithToken:
    """Make a key for a user; raises as `api_keys.create`."""
    made = await api_keys.create(session, user_id, fields, keys_max=KEYS_MAX)
    after = {"key": str(made.key.id), "name": fields.name, "scopes": sorted(fields.scopes)}
    await record(session, admin, "key.create", f"user:{user_id}", after=after, reason=reason)
    return made


async def rotate(session: Session, admin: Admin, key_id: UUID, *, grace_s: float, reason: str | None) -> KeyWithToken:
    """Give a user's key a new token; raises as `api_keys.rotate`."""
    user_id = await _owner_of(session, key_id)
    made = await api_keys.rotate(session, user_id, key_id, grace_s=grace_s)
    after = {"key": str(key_id), "name": made.key.name, "grace_s": grace_s}
    await record(session, admin, "key.rotate", f"user:{user_id}", after=after, reason=reason)
    return made


async def revoke(session: Session, admin: Admin, key_id: UUID, *, reason: str) -> None:
    """End a user's key at once; raises NotFound."""
    user_id = await _owner_of(session, key_id)
    await api_keys.revoke(session, user_id, key_id)
    await record(session, admin, "key.revoke", f"user:{user_id}", after={"key": str(key_id)}, reason=reason)


async def _owner_of(session: Session, key_id: UUID) -> UUID:
    user_id = await stored_keys.owner_of(session, key_id)
    if user_id is None:
        raise NotFound(api_keys.MISSING)
    return user_id
