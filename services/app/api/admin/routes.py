"""All admin routes."""

from __future__ import annotations

from fastapi import APIRouter

from services.app.api.admin import models, overview, predictions, records, search, users, webhooks

_ROUTERS = (overview, models, users, predictions, records, search, webhooks)
router = APIRouter(routes=[route for one in _ROUTERS for route in one.router.routes])
