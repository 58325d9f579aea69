"""Which role each admin route needs: one table, which a test compares with the routes there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request

from ml_service.domain.errors import DatabaseUnavailable, Forbidden, ServiceError
from ml_service.domain.roles import Role
from ml_service.usecases.admin import Admin
from services.app.api.problems import SIGNED_IN
from services.app.auth.principal import CurrentUser
from services.app.components import components_of

REFUSALS: tuple[type[ServiceError], ...] = (*SIGNED_IN, Forbidden, DatabaseUnavailable)
"""What each admin route may answer."""

NEEDED: Mapping[str, Role] = {
    "GET /admin/stats": Role.VIEWER,
    "GET /admin/search": Role.VIEWER,
    "GET /admin/workers": Role.VIEWER,
    "GET /admin/queue": Role.VIEWER,
    "GET /admin/models": Role.VIEWER,
    "PATCH /admin/models/{name}": Role.ADMIN,
    "GET /admin/users": Role.VIEWER,
    "GET /admin/users/{user_id}": Role.VIEWER,
    "PATCH /admin/users/{user_id}": Role.ADMIN,
    "POST /admin/users/{user_id}/credits": Role.SUPPORT,
    "GET /admin/predictions": Role.VIEWER,
    "GET /admin/predictions/{prediction_id}": Role.VIEWER,
    "POST /admin/predictions/{prediction_id}/cancel": Role.SUPPORT,
    "GET /admin/dead-letters": Role.VIEWER,
    "POST /admin/dead-letters/replay": Role.SUPPORT,
    "GET /admin/webhooks": Role.VIEWER,
    "GET /admin/webhooks/{webhook_id}/deliveries": Role.VIEWER,
    "POST /admin/webhooks/{webhook_id}/deliveries/{delivery_id}/resend": Role.SUPPORT,
    "POST /admin/webhooks/{webhook_id}/disable": Role.ADMIN,
    "GET /admin/audit": Role.VIEWER,
    "GET /admin/actions": Role.VIEWER,
}
"""The least role for each route; why, is in docs/decisions/0017-roles.md."""


async def _admin(request: Request, current: CurrentUser) -> Admin:
    """Who asks, if their role is enough; raises Forbidden. The role is the one in the database at this request."""
    needed = NEEDED.get(f"{request.method} {request.scope['route'].path}", Role.ADMIN)
    role = current.user.role
    if role is None or not role.covers(needed):
        has = "you have none" if role is None else f"yours is {role}"
        raise Forbidden(f"This needs the role {needed}; {has}.", role=needed)
    limit = components_of(request).settings.support_credits_per_day_max if role is Role.SUPPORT else None
    return Admin(current.user.id, current.user.username, role, limit)


CurrentAdmin = Annotated[Admin, Depends(_admin)]
