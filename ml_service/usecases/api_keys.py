"""API keys: made, changed, rotated, revoked by their user; the submit statement checks and counts them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ml_service.domain.credentials import SHOWN_LENGTH, ApiKey, Scope, hash_of, new_token
from ml_service.domain.errors import (
    AccountDeleted,
    InvalidInput,
    ModelNotAllowed,
    NotFound,
    PermissionDenied,
    ScopeMissing,
    TooManyRequests,
)
from ml_service.domain.ids import new_id
from ml_service.domain.users import DELETED
from ml_service.storage import api_keys, users
from ml_service.storage.api_keys import KeyFields
from ml_service.storage.database import Session

NAME_LENGTH_MAX = 100
NAME_PATTERN = (
    r"^[^\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*$"
)
"""Without what commands a terminal, turns the direction of the text around it, ends a line, or cannot be seen. The
joiners U+200C and U+200D may be there: scripts and emoji are written with them."""
MODEL_PATTERN = r"^[A-Za-z0-9._-]{1,100}$"
MODELS_MAX = 50
GRACE_S_MAX = 7 * 86400
TOKENS_MAX = 10
"""Valid tokens of one key: rotations whose grace time has not ended, and the newest."""
MISSING = "There is no such API key."


@dataclass(frozen=True, slots=True)
class KeyWithToken:
    """A key with its token, which is shown this once."""

    key: ApiKey
    token: str


async def create(session: Session, user_id: UUID, fields: KeyFields, *, keys_max: int) -> KeyWithToken:
    """Make a key.

    Raises:
        InvalidInput: Its name or a model's cannot be one, or it would have expired already.
        PermissionDenied: The user has ``keys_max`` keys.
        AccountDeleted: The user has deleted the account.
    """
    _check_names(fields)
    _check(fields)
    token = new_token()
    key = await api_keys.add(
        session,
        new_id(),
        user_id,
        fields,
        prefix=token[:SHOWN_LENGTH],
        token_hash=hash_of(token),
        keys_max=keys_max,
    )
    if key is None:
        if await users.is_deleted(session, user_id):
            raise AccountDeleted(DELETED)
        raise PermissionDenied(f"An account has at most {keys_max} API keys; revoke one first.")
    return KeyWithToken(key, token)


async def list_of(session: Session, user_id: UUID, *, keys_max: int) -> list[ApiKey]:
    """A user's keys that are not revoked, the newest first, with all that they have spent."""
    await api_keys.count(session, user_id)
    return await api_keys.list_of(session, user_id, keys_max)


async def change(session: Session, user_id: UUID, key_id: UUID, wanted: Mapping[str, Any]) -> ApiKey:
    """Change the fields in ``wanted``, by their names in KeyFields. What was spent counts on.

    Raises:
        NotFound: It is missing, revoked, or another user's.
        InvalidInput: It would have expired already.
    """
    key = await _get(session, user_id, key_id)
    before = KeyFields(key.name, key.scopes, key.models, key.cap, key.rate_limit_per_minute, key.expires_at)
    fields = replace(before, **wanted)
    if "expires_at" in wanted:
        _check(fields)
    changed = await api_keys.change(session, user_id, key_id, fields)
    if changed is None:
        raise NotFound(MISSING)
    return changed


async def rotate(session: Session, user_id: UUID, key_id: UUID, *, grace_s: float) -> KeyWithToken:
    """Give a key a new token; id, fields and what was spent stay. The token before is valid for ``grace_s`` seconds.

    A rotation that is repeated, because its answer was lost, takes nothing from the tokens before it.

    Raises:
        NotFound: It is missing, revoked, or another user's.
        TooManyRequests: It has been rotated many times within the grace time.
    """
    key = await _get(session, user_id, key_id)
    if await api_keys.count_tokens(session, key_id) >= TOKENS_MAX:
        raise TooManyRequests("This API key was rotated too often; wait for older tokens to end.", retry_after_s=60.0)
    token = new_token()
    prefix = token[:SHOWN_LENGTH]
    await api_keys.rotate(session, key, prefix=prefix, token_hash=hash_of(token), grace_s=grace_s)
    return KeyWithToken(replace(key, prefix=prefix), token)


async def revoke(session: Session, user_id: UUID, key_id: UUID) -> None:
    """End a key at once, on all replicas; raises NotFound."""
    if not await api_keys.revoke(session, user_id, key_id):
        raise NotFound(MISSING)


def scope_missing(scope: Scope | None) -> ScopeMissing:
    """The answer to an API key that asks for more than its scopes; None: for what no key may do."""
    if scope is None:
        return ScopeMissing("No API key may do this; sign in.")
    return ScopeMissing(f"This API key has no scope {scope.value}.", scope=scope.value)


def model_not_allowed(models: Sequence[str]) -> ModelNotAllowed:
    """The answer to an API key that asks for models that it is not for."""
    if len(models) == 1:
        return ModelNotAllowed(f"This API key may not use the model {models[0]}.")
    return ModelNotAllowed(f"This API key may not use all of these models: {', '.join(models)}.")


async def _get(session: Session, user_id: UUID, key_id: UUID) -> ApiKey:
    key = await api_keys.get(session, user_id, key_id, locks=True)
    if key is None or key.revoked_at is not None:
        raise NotFound(MISSING)
    return key


def check_name(name: str) -> None:
    """Raise InvalidInput where no key can be called so."""
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not re.fullmatch(NAME_PATTERN, name):
        raise InvalidInput(f"A name has 1 to {NAME_LENGTH_MAX} characters, without control or invisible ones.")


def _check_names(fields: KeyFields) -> None:
    """What the API's schema says too; the command line has none."""
    check_name(fields.name)
    models = fields.models or ()
    if len(models) > MODELS_MAX or not all(re.fullmatch(MODEL_PATTERN, model) for model in models):
        raise InvalidInput(f"A key is for at most {MODELS_MAX} models, each by its name.")


def _check(fields: KeyFields) -> None:
    if fields.expires_at is not None and fields.expires_at <= datetime.now(UTC):
        message = "This time is in the past."
        raise InvalidInput(message, errors=[{"location": "body.expires_at", "message": message}])
