"""How an operator has workers load a model again, and which of its declarations the service would refuse then.

A restart by all workers is kept with the model's name: a worker that cannot look now finds it later. One that only some
workers are to do, or of a name that was never announced, is told to those that listen at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from ml_service.domain.models import ModelSpec
from ml_service.storage.database import Session

CHANNEL = "ml_model_restarts"
"""The channel of PostgreSQL on which workers are told."""


async def ask(session: Session, name: str) -> bool:
    """Ask the workers to load the model again; returns whether there is such a model."""
    tag = await session.execute("UPDATE models SET restart_asked_at = clock_timestamp() WHERE name = $1", name)
    return bool(tag == "UPDATE 1")


async def asked(session: Session) -> dict[str, datetime]:
    """When a restart of each model was last asked for, where it ever was."""
    rows = await session.fetch("SELECT name, restart_asked_at FROM models WHERE restart_asked_at IS NOT NULL")
    return {row["name"]: row["restart_asked_at"] for row in rows}


class Told(msgspec.Struct):
    """What is sent on `CHANNEL`.

    Attributes:
        name: The model to load again.
        worker_id: Who is meant; None: every worker.
    """

    name: str
    worker_id: str | None = None


async def tell(session: Session, name: str, worker_ids: Sequence[str] | None) -> None:
    """Tell these workers, or with None all that listen, to load a model again; they hear it at the commit."""
    meant: Sequence[str | None] = [None] if worker_ids is None else worker_ids
    texts = [msgspec.json.encode(Told(name, one)).decode() for one in meant]
    await session.execute("SELECT pg_notify($1, text) FROM unnest($2::text[]) AS text", CHANNEL, texts)


# The other side of the condition in `models.announce`.
_OTHER_SCHEMAS = """
    SELECT EXISTS (
        SELECT FROM model_versions AS v
        WHERE v.name = $1 AND v.version = $2
            AND ((v.spec -> 'input_schema')::jsonb, (v.spec -> 'output_schema')::jsonb) <> ($3::jsonb, $4::jsonb)
            AND (
                v.forgotten_at IS NULL
                OR EXISTS (
                    SELECT FROM predictions AS p  -- predictions_open
                    WHERE p.finished_at IS NULL AND p.model = v.name AND p.version = v.version
                )
                OR EXISTS (
                    SELECT FROM bulk_jobs AS b  -- bulk_jobs_open
                    WHERE b.finished_at IS NULL AND b.model = v.name AND b.version = v.version
                )
            )
    )
"""


async def has_other_schemas(session: Session, spec: ModelSpec) -> bool:
    """Whether this version was announced with other schemas, so that a worker would not serve it with these."""
    schemas = [msgspec.json.encode(one).decode() for one in (spec.input_schema, spec.output_schema)]
    return bool(await session.fetchval(_OTHER_SCHEMAS, spec.name, spec.version, *schemas))


_COUNT_OPEN = """
    SELECT (
        SELECT count(*) FROM (
            SELECT FROM predictions AS p  -- predictions_open
            WHERE p.finished_at IS NULL AND p.model = $1 AND p.version = ANY ($2) LIMIT $3
        ) AS found
    ) + (
        SELECT count(*) FROM bulk_jobs AS b  -- bulk_jobs_open
        WHERE b.finished_at IS NULL AND b.model = $1 AND b.version = ANY ($2)
    )
"""


async def count_open(session: Session, name: str, versions: Sequence[str], most: int = 1000) -> int:
    """How many predictions of these versions are open, ``most`` at most, and how many bulk jobs."""
    return int(await session.fetchval(_COUNT_OPEN, name, versions, most))
