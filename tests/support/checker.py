"""The invariants of the books (docs/guarantees.md), by SQL and by the queue's own word, during a run and after it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.queue import Queue
from ml_service.storage import ledger
from ml_service.storage.database import UNAVAILABLE
from tests.support.load import Load, Request
from tests.support.rig import Rig

# Every end of a prediction leaves a mark here, so that a second one shows even where it says the same.
NOTE_ENDS = """
    CREATE TABLE test_ends (prediction_id uuid NOT NULL, status text NOT NULL, at timestamptz DEFAULT now());
    CREATE FUNCTION test_note_end() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO test_ends (prediction_id, status) VALUES (NEW.id, NEW.status);
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER test_note_end AFTER UPDATE ON predictions
        FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION test_note_end();
"""
# Each finds what breaks an invariant, by its number in docs/guarantees.md.
BROKEN = {
    "1 a balance is negative": "SELECT username FROM users WHERE balance < 0",
    "4 unfinished": "SELECT id::text || ' ' || status FROM predictions WHERE finished_at IS NULL",
    "4 two ends": "SELECT prediction_id::text FROM test_ends GROUP BY prediction_id HAVING count(*) > 1",
    "5 success without exactly one capture": """
        SELECT p.id::text FROM predictions AS p LEFT JOIN transactions AS t
            ON t.prediction_id = p.id AND t.kind = 'capture'
        GROUP BY p.id, p.status HAVING count(t.id) <> (p.status = 'succeeded')::int""",
    "5 neither or both of capture and release": """
        SELECT p.id::text FROM predictions AS p LEFT JOIN transactions AS t
            ON t.prediction_id = p.id AND t.kind IN ('capture', 'release')
        WHERE p.finished_at IS NOT NULL GROUP BY p.id HAVING count(t.id) <> 1""",
    "6 two predictions of one input": """
        SELECT input ->> 'id' FROM predictions GROUP BY 1 HAVING count(*) > 1 AND input ->> 'id' IS NOT NULL""",
    "6 a key twice": "SELECT key FROM idempotency_keys GROUP BY user_id, key HAVING count(*) > 1",
    "7 another's answer": """
        SELECT id::text FROM predictions WHERE status = 'succeeded' AND (
            output ->> 'text' IS DISTINCT FROM input ->> 'text'
            OR (model = 'echo' AND output ->> 'id' IS DISTINCT FROM input ->> 'id'))""",
    "9 unsent": "SELECT prediction_id::text FROM outbox",
    "9 idle in transaction": """
        SELECT application_name FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'
            AND state_change < now() - interval '2 seconds'""",
    "10 the ledger can be changed": """
        SELECT role || ' ' || deed FROM unnest('{ml_service_app,ml_service_worker}'::text[]) AS role,
            unnest('{UPDATE,DELETE,TRUNCATE}'::text[]) AS deed
        WHERE has_table_privilege(role, 'transactions', deed)""",
}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A connection of the checker's own."""
    settings = {"application_name": "checker"}
    connection = await asyncpg.connect(url, timeout=10, command_timeout=20, server_settings=settings)
    try:
        yield connection
    finally:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=5)


async def note_ends(url: str) -> None:
    """Let the database write down each end of a prediction."""
    async with connected(url) as connection:
        await connection.execute(NOTE_ENDS)


async def books_of(connection: Any) -> list[str]:
    """Invariants 1, 2 and 5 in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        books = await ledger.audit(connection, differences_max=5)
    found = [f"{one.rule} {one.subject}: {one.expected}, {one.actual}" for one in books.differences]
    if books.issued != books.wallets + books.held + books.revenue:
        found.append(f"1 the accounts do not sum to zero: {books}")
    return found


class Bank:
    """The bank test: the books in a snapshot, every 100 ms, whatever happens meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.violations: list[str] = []
        self.snapshots = 0

    async def watch(self) -> None:
        """Look, again and again."""
        while True:
            with suppress(*UNAVAILABLE, asyncpg.InterfaceError):  # the latter, where the connection was lost
                async with connected(self._url) as connection:
                    while True:
                        await self.look(connection)
                        await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)

    async def look(self, connection: Any) -> None:
        """Take one snapshot."""
        self.violations += await books_of(connection)
        self.snapshots += 1


@asynccontextmanager
async def banking(url: str) -> AsyncIterator[Bank]:
    """Watch the books while the block runs; they must have been right all the time, and are so at its end."""
    bank = Bank(url)
    task = asyncio.create_task(bank.watch())
    try:
        yield bank
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    async with connected(url) as connection:
        await bank.look(connection)
    assert bank.violations == []


async def drained(url: str, timeout_s: float = 90) -> bool:
    """Whether nothing was open any more within ``timeout_s``."""
    end = time.monotonic() + timeout_s
    async with connected(url) as connection:
        while time.monotonic() < end:
            if await connection.fetchval(
                "SELECT NOT EXISTS (SELECT FROM predictions WHERE finished_at IS NULL)"
                " AND NOT EXISTS (SELECT FROM outbox)"
            ):
                return True
            await asyncio.sleep(0.1)
    return False


async def queue_of(rig: Rig) -> Queue:
    """The rig's queue, for the checker."""
    backend = "rabbitmq" if rig.amqp_url else "postgres"
    return await connect_queue(backend, amqp_url=rig.amqp_url, database_url=rig.owner_url, name="checker")


async def queue_violations(rig: Rig, *, dead: int = 0, timeout_s: float = 20) -> list[str]:
    """Invariant 9: the task queue and the dead letters, and who consumes."""
    queue = await queue_of(rig)
    workers = sum(worker.is_running for worker in rig.workers)
    end = time.monotonic() + timeout_s
    try:
        while True:
            found: list[str] = []
            try:
                depth = await queue.depth("default")
                letters = len(await queue.dead_letters(100))
            except QueueUnavailable as error:
                found = [f"9 the queue does not answer: {error.message}"]
            else:
                if depth.ready or depth.unacked:
                    found.append(f"9 the queue is not empty: {depth}")
                if depth.consumers != workers:
                    found.append(f"9 {depth.consumers} consumers of {workers}")
                if letters != dead:
                    found.append(f"9 {letters} dead letters, {dead} expected")
            if not found or time.monotonic() > end:
                return found
            await asyncio.sleep(0.2)
    finally:
        await queue.close()


async def rows_of(url: str) -> dict[str, Any]:
    """All predictions by id."""
    async with connected(url) as connection:
        return {str(row["id"]): row for row in await connection.fetch("SELECT * FROM predictions")}


def promises_broken(requests: Iterable[Request], rows: dict[str, Any]) -> list[str]:
    """Invariant 3: every promised id exists, with the input it was promised for; every row was asked for."""
    found: list[str] = []
    asked: dict[str, Request] = {}
    for request in requests:
        asked.update({item["input"]["id"]: request for item in request.items if "id" in item["input"]})
        for id_, item in zip(request.ids, request.items, strict=False):
            if id_ not in rows:
                found.append(f"3 promised and not there: {id_}")
            elif json.loads(rows[id_]["input"]) != item["input"]:
                found.append(f"3 promised for another input: {id_}")
        if not request.ids and request.tries:
            found.append(f"3 never accepted in {request.tries} tries: {request.key}")
    for id_, row in rows.items():
        marker = json.loads(row["input"]).get("id")
        if marker not in asked:
            found.append(f"3 nobody asked for {id_}")
    return found


async def broken_rows(url: str) -> list[str]:
    """What breaks an invariant in the database; no more than a few of each."""
    async with connected(url) as connection:
        found = await books_of(connection)
        for name, query in BROKEN.items():
            found += [f"{name}: {row[0]}" for row in await connection.fetch(f"{query} LIMIT 3")]
    return found


# What says why a prediction is still open: who has it, whether it was sent, and what the queue holds of it.
OPEN = """
    SELECT format('%s %s@%s %s, attempt %s of %s, accepted %s s ago%s%s%s; %s', p.id, p.model, p.version, p.status,
        p.attempts, coalesce(p.worker_id, 'nobody'), round(extract(epoch FROM now() - p.created_at)),
        CASE WHEN p.batch_id IS NOT NULL THEN ', of a batch' END,
        CASE WHEN v.parked_at IS NOT NULL
            THEN format(', parked %s s ago', round(extract(epoch FROM now() - v.parked_at))) END,
        CASE WHEN o.prediction_id IS NOT NULL THEN format(', in the outbox, to be sent after %s', o.send_after) END,
        coalesce(m.messages, 'in no message of the database'))
    FROM predictions AS p
    LEFT JOIN model_versions AS v ON v.name = p.model AND v.version = p.version
    LEFT JOIN outbox AS o ON o.prediction_id = p.id
    CROSS JOIN LATERAL (
        SELECT string_agg(format('message %s in %s, delivered %s times, %s', q.id, q.queue, q.deliveries,
            CASE WHEN q.consumer IS NULL
                THEN format('visible since %s s', round(extract(epoch FROM now() - q.visible_at), 1))
                ELSE format('held by %s for %s s', q.consumer, round(extract(epoch FROM q.leased_until - now())))
            END), ' and ')
            AS messages
        FROM queue_messages AS q WHERE q.queue LIKE 'ml_tasks%' AND q.body LIKE '%' || p.id || '%'
    ) AS m
    WHERE p.finished_at IS NULL ORDER BY p.id LIMIT 10"""
COUNTED = "SELECT count(*), status FROM predictions WHERE finished_at IS NULL GROUP BY 2 ORDER BY 2"
SERVED = """
    SELECT format('%s %s serves %s of pools %s, lease for %s s, started %s s ago', id, state, models, pools,
        round(extract(epoch FROM lease_until - now())), round(extract(epoch FROM now() - started_at)))
    FROM workers WHERE stopped_at IS NULL ORDER BY started_at"""


async def open_work(rig: Rig) -> list[str]:
    """Where the open predictions are, who serves what, and how deep the task queue is."""
    async with connected(rig.owner_url) as connection:
        found = [f"{row[0]} open: {row[1]}" for row in await connection.fetch(COUNTED)]
        found += [f"open: {row[0]}" for row in await connection.fetch(OPEN)]
        found += [f"worker: {row[0]}" for row in await connection.fetch(SERVED)]
    queue = await queue_of(rig)
    try:
        found.append(f"queue: {await queue.depth('default')}")
    except QueueUnavailable as error:
        found.append(f"queue: {error.message}")
    finally:
        await queue.close()
    return found


async def violations(rig: Rig, load: Load | None = None, *, dead: int = 0, drain_s: float = 90) -> list[str]:
    """Wait for the drain, then list everything that breaks an invariant."""
    is_drained = await drained(rig.owner_url, drain_s)
    found = [] if is_drained else [f"4 not drained in {drain_s} s", *await open_work(rig)]
    found += await broken_rows(rig.owner_url)
    if load is not None:
        found += load.complaints[:5]
        found += promises_broken(load.requests, await rows_of(rig.owner_url))[:5]
    if is_drained:
        found += await queue_violations(rig, dead=dead)
    return found
