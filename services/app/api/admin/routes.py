"""All admin routes."""

from __future__ import annotations

from fastapi import APIRouter

from services.app.api.admin import models, overview, predictions, records, search, users

router = APIRouter()
for one in (overview, models, users, predictions, records, search):
    router.include_router(one.router)
