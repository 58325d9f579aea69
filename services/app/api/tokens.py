"""Signing in, renewing, signing out."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from ml_service.domain.errors import (
    Blocked,
    DatabaseUnavailable,
    InvalidInput,
    Overloaded,
    TooManyRequests,
    Unauthenticated,
    WrongCredentials,
)
from ml_service.usecases import users
from services.app.api.problems import BODY_REFUSED, SIGNED_IN, problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.users import TokenForm, Tokens
from services.app.auth.principal import CurrentUser
from services.app.auth.sign_in import invalid, renew, sign_in
from services.app.components import components_of
from services.app.http import bodies

FORM = "application/x-www-form-urlencoded"

router = APIRouter(tags=["users"], route_class=KnownQueryRoute)


@router.post(
    "/token",
    summary="Sign in, or renew a sign-in",
    response_model=Tokens,
    responses=problems(
        *BODY_REFUSED,
        WrongCredentials,
        Blocked,
        Unauthenticated,
        InvalidInput,
        TooManyRequests,
        Overloaded,
        DatabaseUnavailable,
    ),
    openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": TokenForm.model_json_schema()}}}},
)
async def token(request: Request) -> Tokens:
    """Sign in with a password, or exchange a refresh token for the next pair.

    Unknown names and wrong passwords are answered alike. After some wrong ones in a row this account is closed to this
    address for some minutes. A refresh token is good for one exchange; a second one ends the session.
    """
    components = components_of(request)
    form = await _form(request)
    if form.grant_type == "password":
        tokens = await sign_in(request, form.username, form.password)
    elif form.refresh_token is None:
        raise invalid("refresh_token", "Field required")
    else:
        tokens = await renew(components, form.refresh_token)
    return Tokens(
        access_token=components.access.issue(tokens),
        expires_in=components.access.lifetime_s,
        refresh_token=tokens.refresh_token,
    )


@router.post(
    "/logout",
    summary="Sign out",
    status_code=204,
    responses=problems(*SIGNED_IN, DatabaseUnavailable),
    response_model=None,
)
async def logout(request: Request, current: CurrentUser) -> None:
    """Sign out: the session's access and refresh tokens end at once."""
    async with components_of(request).database.autocommit() as session:
        await users.sign_out(session, current.session_id)


async def _form(request: Request) -> TokenForm:
    """The form, whose encoding is ours to choose: a multipart form may name any charset, and costs more to parse."""
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if media_type.strip() != FORM or charset not in {"", "utf-8"}:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send the body as Content-Type: {FORM}, in UTF-8.")
    try:
        return TokenForm.model_validate(bodies.parse_form(await request.body()))
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None
    except ValueError as error:
        message = f"This is not a valid form: {error}."
        raise InvalidInput(message, errors=[{"location": "body", "message": message}]) from None
