"""Workers: which models they serve, and which workers are dead. All times are the database's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from ml_service.domain.models import ModelState
from ml_service.storage.database import Session

WORKER_LOCKS = 779
"""First key of the session advisory locks that workers hold while they live; the second is their number."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A row of ``workers``.

    Attributes:
        models: What it serves, each as name@version.
        model_states: Of each model that it should serve, by name.
        is_alive: Whether its lease still runs.
    """

    id: str
    host: str
    pid: int
    pools: tuple[str, ...]
    models: tuple[str, ...]
    model_states: dict[str, ModelState]
    state: str
    started_at: datetime
    heartbeat_at: datetime
    is_alive: bool


async def next_number(session: Session) -> int:
    """A number that no worker has had."""
    return int(await session.fetchval("SELECT nextval('worker_numbers')"))


async def hold_lock(session: Session, number: int) -> None:
    """Take the advisory lock that says "alive"; it goes with the connection, so a killed worker is noticed at once."""
    await session.execute("SELECT pg_advisory_lock($1, $2)", WORKER_LOCKS, number)


_BEAT = """
    INSERT INTO workers (id, number, host, pid, pools, models, state, lease_until, model_states)
    VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8 * interval '1 second', $9)
    ON CONFLICT (id) DO UPDATE SET
        number = excluded.number, pools = excluded.pools, models = excluded.models, state = excluded.state,
        model_states = excluded.model_states, heartbeat_at = now(), lease_until = excluded.lease_until,
        stopped_at = NULL
"""


async def beat(
    session: Session,
    worker_id: str,
    number: int,
    host: str,
    pid: int,
    *,
    pools: Sequence[str],
    models: Sequence[str],
    model_states: Mapping[str, ModelState],
    state: str,
    lease_s: float,
) -> None:
    """Say that the worker lives and what it serves, and renew its lease for ``lease_s`` seconds."""
    shown = {_storable(name): replace(one, reason=_storable(one.reason)) for name, one in model_states.items()}
    states = msgspec.json.encode(shown).decode()
    await session.execute(_BEAT, worker_id, number, host, pid, pools, models, state, lease_s, states)


def _storable(text: str) -> str:
    """What jsonb takes: a folder's name, or what an author's exception says, may have lone surrogates and NUL."""
    return text.encode(errors="replace").decode().replace("\0", " ")


async def stop(session: Session, worker_id: str) -> None:
    """Say that the worker has ended in good order."""
    await session.execute(
        """
        UPDATE workers SET state = 'stopped', models = '{}', stopped_at = now(), lease_until = now()
        WHERE id = $1
        """,
        worker_id,
    )


# A worker that lost its connection for a moment (the database was restarted) gets the time to say that it lives.
_STOP_GONE = """
    UPDATE workers SET state = 'stopped', models = '{}', stopped_at = now()
    WHERE stopped_at IS NULL AND heartbeat_at < now() - $1 * interval '1 second' AND worker_is_gone(id)
    RETURNING id
"""


async def stop_gone(session: Session, silent_s: float) -> list[str]:
    """Mark workers as stopped that vanished, and have been silent for ``silent_s`` seconds; returns their ids."""
    return [row["id"] for row in await session.fetch(_STOP_GONE, silent_s)]


async def stopped(session: Session) -> list[str]:
    """Ids of all workers that have stopped or were found gone, and are not yet forgotten."""
    return [row["id"] for row in await session.fetch("SELECT id FROM workers WHERE stopped_at IS NOT NULL")]


def _worker(row: Any) -> Worker:
    return Worker(
        id=row["id"],
        host=row["host"],
        pid=row["pid"],
        pools=tuple(row["pools"]),
        models=tuple(row["models"]),
        model_states=msgspec.json.decode(row["model_states"], type=dict[str, ModelState]),
        state=row["state"],
        started_at=row["started_at"],
        heartbeat_at=row["heartbeat_at"],
        is_alive=row["is_alive"],
    )


async def list_live(session: Session) -> list[Worker]:
    """The workers that have not stopped, oldest first; one that is late with its heartbeat is not ``is_alive``."""
    rows = await session.fetch(
        """
        SELECT id, host, pid, pools, models, model_states, state, started_at, heartbeat_at,
            lease_until > now() AS is_alive
        FROM workers WHERE stopped_at IS NULL ORDER BY started_at, id
        """
    )
    return [_worker(row) for row in rows]


async def delete_stopped(session: Session) -> None:
    """Forget workers that stopped more than a day ago and have no open work."""
    await session.execute(
        """
        DELETE FROM workers AS w WHERE w.stopped_at < now() - interval '1 day' AND NOT EXISTS (
            SELECT FROM predictions AS p WHERE p.worker_id = w.id AND p.finished_at IS NULL
        )
        """
    )
