"""Whatever is asked, answered, canceled, summed and dropped, in whatever order: usage is what a plain count says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ml_service.background.usage_sums import UsageSums
from ml_service.domain.ids import first_id_at, new_id
from ml_service.domain.predictions import PredictionError
from ml_service.storage import canceling
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.storage.usage import By, Usage
from ml_service.usecases import usage, users
from tests.support.play import Play

DAY = timedelta(days=1)
AGE = 9 * DAY
"""How long before now the machine's time begins."""
MODELS = ("echo", "other")
Counts = tuple[int, int, int, int]


class UsageMachine(RuleBasedStateMachine):
    """A user of two models in a time of its own, which only goes forward."""

    url = ""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.database = self.run(Database.connect(self.url, name="machine", connections_max=2, timeout_s=20))
        self.now = datetime.combine((datetime.now(UTC) - AGE).date(), time(20), UTC)
        self.play = self.run(self._empty())
        self.asked: dict[UUID, tuple[datetime, str, int]] = {}
        self.open: list[UUID] = []
        self.ended: dict[UUID, str] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _empty(self) -> Play:
        async with self.database.begin() as session:
            await session.execute("DELETE FROM usage_sums")
            await session.execute("DELETE FROM usage_passed")
            await session.execute("UPDATE usage_progress SET summed_before = $1", first_id_at(self.now))
            user = await users.register(session, f"u{new_id().hex}", None, starting_credits=1_000_000)
        return Play(self.database, user.id)

    @rule(count=st.integers(1, 3), model=st.sampled_from(MODELS), cost=st.integers(0, 5))
    def ask(self, count: int, model: str, cost: int) -> None:
        for _ in range(count):
            self.now += timedelta(milliseconds=1)
            random = new_id().int & ((1 << 80) - 1)
            one = UUID(int=first_id_at(self.now).int | random)
            self.run(self.play.submit(self.play.submission(id=one, cost=cost, model=model)))
            self.asked[one] = (self.now, model, cost)
            self.open.append(one)

    @rule(hours=st.integers(1, 15))
    def go_on(self, hours: int) -> None:
        if self.now + timedelta(hours=hours) < datetime.now(UTC):
            self.now += timedelta(hours=hours)

    @rule(place=st.integers(0, 9), fails=st.booleans())
    def answer(self, place: int, fails: bool) -> None:
        echoes = [one for one in self.open if self.asked[one][1] == "echo"]
        if echoes:
            one = echoes[place % len(echoes)]
            error = PredictionError("model_error", "no") if fails else None
            [claimed] = self.run(self.play.claim(one))
            self.run(self.play.finish(Finish(one, claimed.attempt, 1.0, None if fails else "{}", error)))
            self.open.remove(one)
            self.ended[one] = "failed" if fails else "succeeded"

    @rule(place=st.integers(0, 9))
    def cancel(self, place: int) -> None:
        if self.open:
            one = self.open.pop(place % len(self.open))
            self.run(self._cancel(one))
            self.ended[one] = "canceled"

    async def _cancel(self, one: UUID) -> None:
        async with self.database.begin() as session:
            assert await canceling.cancel(session, self.play.user_id, one)

    @rule(rows_max=st.integers(1, 4))
    def sum(self, rows_max: int) -> None:
        lag_s = (datetime.now(UTC) - self.now).total_seconds() - 0.001
        self.run(UsageSums(self.database, lag_s=lag_s, rows_max=rows_max, pause_s=0).sum())
        self.now += timedelta(minutes=1)  # the database's clock has gone on
        self.usage_is_a_plain_count()

    @rule()
    def usage_is_a_plain_count(self) -> None:
        if self.asked:
            start = min(moment for moment, _, _ in self.asked.values())
            ranges = [(None, None), (start + 12 * timedelta(hours=1), None), (start, start + 30 * timedelta(hours=1))]
            for since, until in ranges:
                for by in ("day", "model"):
                    assert self.run(self._found(by, since, until)) == self._expected(by, since, until)

    async def _found(self, by: By, since: datetime | None, until: datetime | None) -> dict[date | str | None, Counts]:
        async with self.database.begin() as session:
            found: list[Usage] = await usage.usage_of(session, self.play.user_id, by, since, until, rows_max=3)
        return {
            (one.day if by == "day" else one.model): (one.predictions, one.succeeded, one.failed, one.credits)
            for one in found
        }

    def _expected(self, by: By, since: datetime | None, until: datetime | None) -> dict[date | str | None, Counts]:
        totals: dict[date | str, Counter[str]] = {}
        for one, (moment, model, cost) in self.asked.items():
            if (since is None or moment >= since) and (until is None or moment < until):
                counts = totals.setdefault(moment.date() if by == "day" else model, Counter())
                counts["all"] += 1
                counts[self.ended.get(one, "open")] += 1
                counts["credits"] += cost if self.ended.get(one) == "succeeded" else 0
        return {group: (n["all"], n["succeeded"], n["failed"], n["credits"]) for group, n in totals.items()}

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.database.close())
            self.loop.close()


def test_usage_is_what_a_plain_count_says(database_url: str) -> None:
    class Machine(UsageMachine):
        url = database_url

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15, stateful_step_count=25, derandomize=True, suppress_health_check=list(HealthCheck)
        ),
    )
