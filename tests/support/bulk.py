"""Sending bulk jobs to a service in a test."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2

from tests.support.service import Person, Service

JSONL = {"Content-Type": "application/x-ndjson"}


def lines(*values: Any) -> bytes:
    """Values as JSON lines."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


async def sent(person: Person, content: Any, query: str = "", **headers: str) -> httpx2.Response:
    """The answer to a file that is sent as a bulk job."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.post(f"/bulk{query}", content=content, headers=JSONL | named)


async def ended(person: Person, bulk_id: str) -> dict[str, Any]:
    """A job, once it has finished."""
    for _ in range(300):
        job = (await person.get(f"/bulk/{bulk_id}")).json()
        if job["finished_at"] is not None:
            return job
        await asyncio.sleep(0.1)
    raise AssertionError(job)


async def left_behind(service: Service) -> list[int]:
    """How many jobs and chunks are stored."""
    async with service.database.autocommit() as session:
        return [await session.fetchval(f"SELECT count(*) FROM {table}") for table in ("bulk_jobs", "bulk_chunks")]
