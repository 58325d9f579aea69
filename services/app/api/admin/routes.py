"""All admin routes."""

from __future__ import annotations

from fastapi import APIRouter

from services.app.api.admin import models, overview, predictions, records, search, users, webhooks

router = APIRouter()
for one in (overview, models, users, predictions, records, search, webhooks):
    router.include_router(one.router)
