"""Where a stream of events goes on."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The `id` of the last event that was received.")
]
