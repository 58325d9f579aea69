"""API keys. Only people who are signed in manage them: a key makes no key."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from ml_service.domain.errors import (
    AccountDeleted,
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    PermissionDenied,
    TooManyRequests,
)
from ml_service.storage.api_keys import KeyFields
from ml_service.usecases import api_keys
from services.app.api.problems import BODY_REFUSED, SIGNED_IN, problems
from services.app.api.schemas.api_keys import CreatedKey, KeyChange, KeyRotation, NewApiKey, ShownKey, ShownKeys
from services.app.api.strict import StrictRoute
from services.app.auth.principal import CurrentUser
from services.app.components import components_of

router = APIRouter(tags=["api-keys"], route_class=StrictRoute)
_FIELD_OF = {"spend_cap": "cap"}


@router.post(
    "/api-keys",
    summary="Make an API key",
    status_code=201,
    response_model=CreatedKey,
    responses=problems(*BODY_REFUSED, *SIGNED_IN, PermissionDenied, InvalidInput, AccountDeleted, DatabaseUnavailable),
)
async def create(request: Request, current: CurrentUser, new: NewApiKey) -> CreatedKey:
    """Make a key that acts for the account within its scopes. The answer is the only one that has the key itself."""
    components = components_of(request)
    fields = KeyFields(
        new.name,
        frozenset(new.scopes),
        None if new.models is None else tuple(new.models),
        None if new.spend_cap is None else new.spend_cap.value(),
        new.rate_limit_per_minute,
        new.expires_at,
    )
    async with components.database.begin() as session:
        made = await api_keys.create(
            session, current.user.id, fields, keys_max=components.settings.api_keys_per_user_max
        )
    return CreatedKey.of_made(made)


@router.get(
    "/api-keys",
    summary="List API keys",
    response_model=ShownKeys,
    responses=problems(*SIGNED_IN, DatabaseUnavailable),
)
async def list_keys(request: Request, current: CurrentUser) -> ShownKeys:
    """One's own keys that are not revoked, the newest first, with what they have spent."""
    components = components_of(request)
    async with components.database.autocommit() as session:
        found = await api_keys.list_of(session, current.user.id, keys_max=components.settings.api_keys_per_user_max)
    return ShownKeys(items=[ShownKey.of(key) for key in found])


@router.patch(
    "/api-keys/{key_id}",
    summary="Change an API key",
    response_model=ShownKey,
    responses=problems(*BODY_REFUSED, *SIGNED_IN, NotFound, InvalidInput, DatabaseUnavailable),
)
async def change(request: Request, current: CurrentUser, key_id: UUID, wanted: KeyChange) -> ShownKey:
    """Change a key. What is left out stays, and what was spent counts on."""
    given: dict[str, Any] = {}
    for name in wanted.model_fields_set:
        value = getattr(wanted, name)
        match name:
            case "scopes":
                value = frozenset(value)
            case "models":
                value = None if value is None else tuple(value)
            case "spend_cap":
                value = None if value is None else value.value()
        given[_FIELD_OF.get(name, name)] = value
    async with components_of(request).database.begin() as session:
        return ShownKey.of(await api_keys.change(session, current.user.id, key_id, given))


@router.delete(
    "/api-keys/{key_id}",
    summary="Revoke an API key",
    status_code=204,
    response_model=None,
    responses=problems(*SIGNED_IN, NotFound, InvalidInput, DatabaseUnavailable),
)
async def revoke(request: Request, current: CurrentUser, key_id: UUID) -> None:
    """End a key at once. Predictions that were accepted are finished. Another user's is answered like a missing one."""
    async with components_of(request).database.begin() as session:
        await api_keys.revoke(session, current.user.id, key_id)


@router.post(
    "/api-keys/{key_id}/rotate",
    summary="Rotate an API key",
    response_model=CreatedKey,
    responses=problems(*BODY_REFUSED, *SIGNED_IN, NotFound, InvalidInput, TooManyRequests, DatabaseUnavailable),
)
async def rotate(request: Request, current: CurrentUser, key_id: UUID, wanted: KeyRotation) -> CreatedKey:
    """Give a key a new token; its id, its cap and what it has spent stay, and the token before for `grace_s` seconds.

    Repeating it, where the answer was lost, is harmless: tokens that have been in use keep their grace time.
    """
    async with components_of(request).database.begin() as session:
        made = await api_keys.rotate(session, current.user.id, key_id, grace_s=wanted.grace_s)
    return CreatedKey.of_made(made)
