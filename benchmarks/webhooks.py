"""Webhooks of one app process of which half hang: how soon the others hear, by the time of the commit that owes it."""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from collections.abc import Sequence
from uuid import UUID

from benchmarks.options import Run
from benchmarks.people import add_people
from benchmarks.place import BenchmarkFailed, cpu_s
from benchmarks.report import Bar, Report, number
from benchmarks.service import HOST, service
from ml_service.domain.ids import new_id
from ml_service.storage.database import Session

EACH_HAS = 10
"""Webhooks of a user."""
MESSAGES_PER_S = 100
TICK_S = 0.1
_ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

_ADD = """
    INSERT INTO webhooks (id, user_id, url, events, secret, balance_low_credits)
    SELECT w.id, w.user_id, w.url, '{bulk.finished}', 'whsec_' || encode(decode(repeat('ab', 32), 'hex'), 'base64'), 1
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS w (id, user_id, url)
"""
_OWE = """
    INSERT INTO deliveries (kind, subject_id, user_id, webhook_id, endpoint, event, data)
    SELECT 'webhook', m.id, w.user_id, w.id, w.user_id || ' ' || w.id, 'bulk.finished', '{"lines": 1}'
    FROM unnest($1::uuid[], $2::uuid[]) AS m (id, webhook_id) JOIN webhooks AS w ON w.id = m.webhook_id
"""


class Receivers:
    """One server for all: `/hang/…` is never answered, anything else at once."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}
        self.hanging = 0
        self._kept: set[asyncio.StreamWriter] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one message."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        if head.startswith(b"POST /hang"):
            self.hanging += 1
            self._kept.add(writer)
            await reader.read()
            self._kept.discard(writer)
            await reader.read()
        else:
            id_ = head.lower().partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode()
            self.heard.setdefault(id_, time.time())
            writer.write(_ANSWER)
        writer.close()


async def run(run: Run) -> Report:
    """Owe messages to all endpoints in turn, for some seconds; then the same without those that hang."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    more = {"WEBHOOK_NETWORKS": "127.0.0.0/8"}
    place, total = run.place, run.size.webhooks
    rows: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    async with place.database() as database, service(place, database, apps=1, workers=0, more=more) as running:
        receivers = Receivers()
        server = await asyncio.start_server(receivers.handle, HOST, 0, backlog=2048)
        port = server.sockets[0].getsockname()[1]
        async with place.session(database) as session:
            people = [one.id for one in await add_people(session, max(1, total // EACH_HAS))]
            good, hanging = await _endpoints(session, people, port, total)
            for name, endpoints in (("none hangs", good), (f"{len(hanging)} of {total} hang", [*good, *hanging])):
                pid = running.apps[0].pid
                before, began = cpu_s(pid), time.perf_counter()
                owed = await _owe(session, endpoints, run.size.webhooks_s)
                found = await _delays(receivers, owed, set(good))
                cores = (cpu_s(pid) - before) / (time.perf_counter() - began)
                times = statistics.median(found), statistics.quantiles(found, n=100)[-1], found[-1]
                rows.append([name, *map(number, times), f"{100 * cores:.0f} %"])
                figures[name] = found
        server.close()
    return Report(
        title=f"webhooks: from the commit to the receiver, {total:,} endpoints, {MESSAGES_PER_S} messages a second",
        columns=["", "p50, ms", "p99, ms", "most, ms", "of a core"],
        rows=rows,
        bars=[Bar(str(name), statistics.quantiles(found, n=100)[-1], ours=True) for name, found in figures.items()],
        unit="ms",
        notes=[f"Those that hang held up to {receivers.hanging:,} connections one after the other."],
        figures={"milliseconds": figures},
    )


async def _endpoints(session: Session, people: Sequence[UUID], port: int, total: int) -> tuple[list[UUID], list[UUID]]:
    ids = [new_id() for _ in range(total)]
    kinds = ["hang" if place % 2 else "ok" for place in range(total)]
    users = [people[place % len(people)] for place in range(total)]
    urls = [f"http://{HOST}:{port}/{kind}/{place}" for place, kind in enumerate(kinds)]
    await session.execute(_ADD, ids, users, urls)
    return [one for one, kind in zip(ids, kinds, strict=True) if kind == "ok"], [
        one for one, kind in zip(ids, kinds, strict=True) if kind == "hang"
    ]


async def _owe(session: Session, endpoints: Sequence[UUID], seconds: float) -> dict[str, tuple[UUID, float]]:
    """Owe messages in turn over the endpoints; returns message id → endpoint and the time of the commit."""
    owed: dict[str, tuple[UUID, float]] = {}
    count = int(MESSAGES_PER_S * TICK_S)
    turn = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        chosen = [endpoints[(turn + one) % len(endpoints)] for one in range(count)]
        turn += count
        ids = [new_id() for _ in chosen]
        await session.execute(_OWE, ids, chosen)
        now = time.time()
        owed |= {f"msg_{one.hex}": (endpoint, now) for one, endpoint in zip(ids, chosen, strict=True)}
        await asyncio.sleep(TICK_S)
    return owed


async def _delays(receivers: Receivers, owed: dict[str, tuple[UUID, float]], good: set[UUID]) -> list[float]:
    """Milliseconds of each message to a receiver that answers, sorted."""
    expected = {id_: at for id_, (endpoint, at) in owed.items() if endpoint in good}
    until = time.monotonic() + 60
    while not expected.keys() <= receivers.heard.keys():
        if time.monotonic() > until:
            raise BenchmarkFailed(f"{len(expected.keys() - receivers.heard.keys())} messages have not come")
        await asyncio.sleep(0.05)
    return sorted(max(0.0, 1000 * (receivers.heard[id_] - at)) for id_, at in expected.items())
