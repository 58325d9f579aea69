"""Whatever users, workers and time do, in whatever order: the books are right and each prediction ends once.

A model of the service in plain Python runs beside the real statements on a real PostgreSQL, and both must agree.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from ml_service.domain.ledger import Kind
from ml_service.domain.predictions import TERMINAL, PredictionError, Source, Status, new_id
from ml_service.storage import ledger, predictions, submissions
from ml_service.storage.database import Database
from ml_service.storage.predictions import Finish
from ml_service.storage.submissions import Decision, NewPrediction, Submission
from ml_service.usecases import users

START = 20
ATTEMPTS_MAX = 3


class Service(RuleBasedStateMachine):
    """Two users, two workers, and every statement that moves credits."""

    url = ""
    asked = Bundle("asked")

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.database = self.run(Database.connect(self.url, name="machine", connections_max=1, timeout_s=20))
        self.users = [self.run(self._register()) for _ in range(2)]
        self.balance = dict.fromkeys(self.users, START)
        self.status: dict[UUID, Status] = {}
        self.cost: dict[UUID, int] = {}
        self.owner: dict[UUID, UUID] = {}
        self.attempt: dict[UUID, int] = {}
        self.holder: dict[UUID, str] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _register(self) -> UUID:
        async with self.database.begin() as session:
            return (await users.register(session, f"u{new_id().hex}", None, starting_credits=START)).id

    @rule(target=asked, who=st.integers(0, 1), costs=st.lists(st.integers(0, 8), min_size=1, max_size=3))
    def submit(self, who: int, costs: list[int]) -> Any:
        user = self.users[who]
        items = tuple(NewPrediction(new_id(), "echo", "1", "default", cost, "{}") for cost in costs)
        asked = Submission(user, Source.API, items, new_id() if len(items) > 1 else None)

        async def work() -> Decision:
            async with self.database.begin() as session:
                return (await submissions.submit(session, [asked]))[0].decision

        expected = Decision.ACCEPTED if sum(costs) <= self.balance[user] else Decision.INSUFFICIENT_CREDITS
        assert expected == self.run(work())
        if expected is not Decision.ACCEPTED:
            return multiple()
        self.balance[user] -= sum(costs)
        for item in items:
            self.status[item.id], self.cost[item.id] = Status.QUEUED, item.cost
            self.owner[item.id], self.attempt[item.id] = user, 0
        return multiple(*(item.id for item in items))

    @rule(ids=st.lists(asked, max_size=6), worker=st.sampled_from("ab"), redelivered=st.booleans())
    def claim(self, ids: list[UUID], worker: str, redelivered: bool) -> None:
        async def work() -> dict[UUID, tuple[Status, int]]:
            async with self.database.autocommit() as session:
                claimed = await predictions.claim(
                    session, worker, ids, [redelivered] * len(ids), attempts_max=ATTEMPTS_MAX
                )
            return {one.id: (one.status, one.attempt) for one in claimed}

        claimed = self.run(work())
        expected = {}
        for one in set(ids):
            if self.status[one] in TERMINAL:
                continue
            # No worker has a heartbeat row here, so a claimed one is always another's to take.
            if self.attempt[one] >= ATTEMPTS_MAX:
                self._end(one, Status.FAILED)
            else:
                self.status[one], self.holder[one] = Status.PROCESSING, worker
                self.attempt[one] += 1
            expected[one] = (self.status[one], self.attempt[one])
        assert expected == claimed

    @rule(
        ids=st.lists(asked, max_size=6, unique=True),
        worker=st.sampled_from("ab"),
        stale=st.booleans(),
        seed=st.integers(),
    )
    def finish(self, ids: list[UUID], worker: str, stale: bool, seed: int) -> None:
        chance = random.Random(seed)
        good = {one: chance.random() < 0.6 for one in ids}
        answers = [
            Finish(
                one,
                self.attempt[one] - stale,
                "1",
                1.0,
                "{}" if good[one] else None,
                None if good[one] else PredictionError("model_error", "no"),
            )
            for one in ids
        ]

        async def work() -> set[UUID]:
            async with self.database.autocommit() as session:
                return {one.id for one in await predictions.finish(session, worker, answers)}

        expected = {
            one for one in ids if not stale and self.status[one] is Status.PROCESSING and self.holder[one] == worker
        }
        assert expected == self.run(work())
        for one in expected:
            self._end(one, Status.SUCCEEDED if good[one] else Status.FAILED)

    @rule(one=asked, who=st.integers(0, 1))
    def cancel(self, one: UUID, who: int) -> None:
        async def work() -> bool:
            async with self.database.autocommit() as session:
                return await predictions.cancel(session, self.users[who], one) is not None

        expected = self.owner[one] == self.users[who] and self.status[one] not in TERMINAL
        assert expected == self.run(work())
        if expected:
            self._end(one, Status.CANCELED)

    @rule(who=st.integers(0, 1), amount=st.integers(-30, 30).filter(bool))
    def adjust(self, who: int, amount: int) -> None:
        user = self.users[who]

        async def work() -> int | None:
            async with self.database.begin() as session:
                return await ledger.move(session, user, Kind.ADJUSTMENT, amount, reason="test", balance_max=10**6)

        after = self.balance[user] + amount
        assert (after if after >= 0 else None) == self.run(work())
        self.balance[user] = max(after, 0) if after >= 0 else self.balance[user]

    def _end(self, one: UUID, status: Status) -> None:
        self.status[one] = status
        if status is not Status.SUCCEEDED:
            self.balance[self.owner[one]] += self.cost[one]

    @invariant()
    def the_books_agree(self) -> None:
        async def work() -> tuple[Any, dict[UUID, Status], dict[UUID, Any]]:
            async with self.database.autocommit() as session:
                found = await predictions.get_many(session, list(self.status))
                balances = {user: await ledger.balance(session, user) for user in self.users}
                return await ledger.audit(session), {one.id: one.status for one in found.values()}, balances

        books, statuses, balances = self.run(work())
        assert books.is_clean, books
        assert self.status == statuses
        for user in self.users:
            held = sum(
                self.cost[one] for one in self.cost if self.owner[one] == user and self.status[one] not in TERMINAL
            )
            assert (self.balance[user], held) == (balances[user].balance, balances[user].held)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.database.close())
            self.loop.close()


def test_money_and_states_agree_with_their_model_whatever_happens(database_url: str) -> None:
    class Machine(Service):
        url = database_url

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
