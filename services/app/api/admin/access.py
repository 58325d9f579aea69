"""Who may use the admin routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from ml_service.domain.errors import DatabaseUnavailable, Forbidden, ServiceError
from ml_service.usecases.admin import Admin
from services.app.api.problems import SIGNED_IN
from services.app.auth.principal import CurrentUser

REFUSALS: tuple[type[ServiceError], ...] = (*SIGNED_IN, Forbidden, DatabaseUnavailable)
"""What each admin route may answer."""


async def _admin(current: CurrentUser) -> Admin:
    """The admin who asks; raises Forbidden."""
    if not current.user.is_admin:
        raise Forbidden("Only admins may do this.")
    return Admin(current.user.id, current.user.username)


CurrentAdmin = Annotated[Admin, Depends(_admin)]
