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

from ml_service.domain.bulk import BulkStatus, Chunk
from ml_service.domain.credentials import Principal
from ml_service.domain.errors import IdempotencyKeyReused, InvalidInput
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import Actor, ActorKind, Kind
from ml_service.domain.predictions import TERMINAL, PredictionError, Source, Status
from ml_service.domain.submissions import Decision, Submission, SubmissionItem
from ml_service.storage import bulk_feeding, bulk_jobs, canceling, claiming, finishing, ledger, predictions, submissions
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.usecases import ledger as credits_
from ml_service.usecases import users

START = 20
ATTEMPTS_MAX = 3
KEYS = st.sampled_from(["a", "b", "c"])


class LedgerMachine(RuleBasedStateMachine):
    """Two users, two workers, and every statement that moves credits."""

    url = ""
    asked = Bundle("asked")

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.database = self.run(Database.connect(self.url, name="machine", connections_max=1, timeout_s=20))
        self.users = [self.run(self._register()) for _ in range(2)]
        self.balance = dict.fromkeys(self.users, START)
        self.grants_left = dict.fromkeys(self.users, START)
        self.paid, self.bought = (dict.fromkeys(self.users, 0) for _ in range(2))
        self.admin = Actor(ActorKind.ADMIN, new_id().hex)  # keys are an admin's own
        self.keys: dict[str, tuple[Kind, UUID, int]] = {}
        self.jobs: dict[UUID, tuple[UUID, int, list[list[bool]]]] = {}  # that run: owner, price, chunks
        self.fed: dict[UUID, int] = {}  # chunks that are predictions
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
        items = tuple(SubmissionItem(new_id(), "echo", "1", "default", cost, "{}") for cost in costs)
        asked = Submission(Principal(user), Source.API, items, new_id() if len(items) > 1 else None)

        async def work() -> Decision:
            async with self.database.begin() as session:
                return (await submissions.submit(session, [asked]))[0].decision

        expected = Decision.ACCEPTED if sum(costs) <= self.balance[user] else Decision.INSUFFICIENT_CREDITS
        assert expected == self.run(work())
        if expected is not Decision.ACCEPTED:
            return multiple()
        self.balance[user] -= sum(costs)
        self.grants_left[user] -= sum(costs)
        for item in items:
            self.status[item.id], self.cost[item.id] = Status.QUEUED, item.cost
            self.owner[item.id], self.attempt[item.id] = user, 0
        return multiple(*(item.id for item in items))

    @rule(who=st.integers(0, 1), valid=st.lists(st.booleans(), min_size=1, max_size=6), price=st.integers(0, 4))
    def start_a_bulk_job(self, who: int, valid: list[bool], price: int) -> None:
        """Lines in chunks of two; the price of all valid ones is held, or nothing stays."""
        user, bulk_id = self.users[who], new_id()
        chunks = [valid[at : at + 2] for at in range(0, len(valid), 2)]

        async def work() -> Decision | None:
            async with self.database.begin() as session:
                assert await bulk_jobs.create(
                    session,
                    bulk_id,
                    user,
                    Source.API,
                    model="echo",
                    version="1",
                    pool="default",
                    price_credits=price,
                    open_max=100,
                )
                for number, flags in enumerate(chunks):
                    chunk = Chunk(
                        list(range(len(flags))),
                        [None] * len(flags),
                        ["{}" if good else None for good in flags],
                        [None if good else "bad" for good in flags],
                    )
                    assert await bulk_jobs.add_chunk(session, bulk_id, number, chunk)
            async with self.database.begin() as session:
                decision, _, _ = await bulk_jobs.start(
                    session, bulk_id, user, key=None, fingerprint=b"", notifies_chats=None, chat_id=None
                )
                if decision is not Decision.ACCEPTED:
                    assert await bulk_jobs.delete_some(session, bulk_id, 100, is_finished=False)
            return decision

        cost = sum(valid) * price
        expected = Decision.ACCEPTED if cost <= self.balance[user] else Decision.INSUFFICIENT_CREDITS
        assert (expected if any(valid) else None) == self.run(work())
        if any(valid) and expected is Decision.ACCEPTED:
            self.balance[user] -= cost
            self.grants_left[user] -= cost
            self.jobs[bulk_id] = (user, price, chunks)

    @rule(target=asked, place=st.integers(0, 5))
    def feed_a_bulk_job(self, place: int) -> Any:
        """The next chunk becomes predictions, and no user's balance changes."""
        if not self.jobs:
            return multiple()
        bulk_id = sorted(self.jobs)[place % len(self.jobs)]
        user, price, chunks = self.jobs[bulk_id]
        number = self.fed.get(bulk_id, 0)
        if number >= len(chunks):
            return multiple()
        ids = [new_id() if good else None for good in chunks[number]]

        async def work() -> tuple[int | None, int | None]:
            async with self.database.autocommit() as session:
                first = await bulk_feeding.feed(session, bulk_id, number, ids)
                again = [new_id() if good else None for good in chunks[number]]
                return first, await bulk_feeding.feed(session, bulk_id, number, again)

        assert (sum(chunks[number]), None) == self.run(work())
        self.fed[bulk_id] = number + 1
        made = [one for one in ids if one is not None]
        for one in made:
            self.status[one], self.cost[one] = Status.QUEUED, price
            self.owner[one], self.attempt[one] = user, 0
        return multiple(*made)

    @rule(place=st.integers(0, 5))
    def stop_a_bulk_job(self, place: int) -> None:
        """What waits is given back; what was fed goes on."""
        if not self.jobs:
            return
        bulk_id = sorted(self.jobs)[place % len(self.jobs)]
        user, price, chunks = self.jobs.pop(bulk_id)
        actor = Actor(ActorKind.USER, str(user))

        async def work() -> list[bool]:
            found = []
            for _ in range(2):
                async with self.database.begin() as session:
                    found.append(await bulk_jobs.stop(session, bulk_id, user, BulkStatus.CANCELED, actor))
            return found

        assert self.run(work()) == [True, False]
        waiting = sum(sum(chunk) for chunk in chunks[self.fed.get(bulk_id, 0) :]) * price
        self.balance[user] += waiting
        self.grants_left[user] += waiting

    def _waiting(self, user: UUID) -> int:
        """Credits that the user's jobs hold for lines that are no predictions yet."""
        return sum(
            price * sum(sum(chunk) for chunk in chunks[self.fed.get(bulk_id, 0) :])
            for bulk_id, (owner, price, chunks) in self.jobs.items()
            if owner == user
        )

    @rule(ids=st.lists(asked, max_size=6), worker=st.sampled_from("ab"), redelivered=st.booleans())
    def claim(self, ids: list[UUID], worker: str, redelivered: bool) -> None:
        async def work() -> dict[UUID, tuple[Status, int]]:
            async with self.database.autocommit() as session:
                claimed = await claiming.claim(
                    session,
                    worker,
                    ids,
                    [redelivered] * len(ids),
                    model="echo",
                    version="1",
                    attempts_max=ATTEMPTS_MAX,
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
                1.0,
                "{}" if good[one] else None,
                None if good[one] else PredictionError("model_error", "no"),
            )
            for one in ids
        ]

        async def work() -> set[UUID]:
            async with self.database.autocommit() as session:
                return {one.id for one in await finishing.finish(session, worker, answers)}

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
                return await canceling.cancel(session, self.users[who], one) is not None

        expected = self.owner[one] == self.users[who] and self.status[one] not in TERMINAL
        assert expected == self.run(work())
        if expected:
            self._end(one, Status.CANCELED)

    @rule(who=st.integers(0, 1), amount=st.integers(-30, 30).filter(bool), is_bought=st.booleans())
    def adjust_or_top_up(self, who: int, amount: int, *, is_bought: bool) -> None:
        user = self.users[who]
        kind, amount = (Kind.TOP_UP, abs(amount)) if is_bought else (Kind.ADJUSTMENT, amount)

        async def work() -> int | None:
            async with self.database.begin() as session:
                return await ledger.move(session, user, kind, amount, self.admin, reason="test", balance_max=10**6)

        after = self.balance[user] + amount
        assert (after if after >= 0 else None) == self.run(work())
        self.balance[user] = after if after >= 0 else self.balance[user]
        self.bought[user] += amount * is_bought

    @rule(
        kind=st.sampled_from([Kind.REFUND, Kind.CHARGEBACK]), who=st.integers(0, 1), amount=st.integers(1, 9), key=KEYS
    )
    def give_or_take_back(self, kind: Kind, who: int, amount: int, key: str) -> None:
        user = self.users[who]
        move = credits_.refund if kind is Kind.REFUND else credits_.charge_back

        async def work() -> int | str:
            try:
                async with self.database.begin() as session:
                    return await move(session, user, amount, self.admin, reason="test", key=key)
            except (InvalidInput, IdempotencyKeyReused) as error:
                return error.code

        if key in self.keys:
            expected: int | str = IdempotencyKeyReused.code
            if self.keys[key] == (kind, user, amount):
                expected = self.balance[user]
        elif amount > (self.paid[user] if kind is Kind.REFUND else min(self.balance[user], self.bought[user])):
            expected = InvalidInput.code
        else:
            self.keys[key] = (kind, user, amount)
            self.balance[user] += amount if kind is Kind.REFUND else -amount
            if kind is Kind.REFUND:
                self.paid[user] -= amount
                self.grants_left[user] += amount
            else:
                self.bought[user] -= amount
            expected = self.balance[user]
        assert expected == self.run(work())

    @rule(who=st.integers(0, 1))
    def transfer(self, who: int) -> None:
        """What is no unspent grant moves to the other user."""
        source, target = self.users[who], self.users[1 - who]

        async def work() -> int:
            async with self.database.begin() as session:
                return await credits_.transfer_all(session, source, target, "test")

        expected = max(0, self.balance[source] - max(0, self.grants_left[source]))
        assert expected == self.run(work())
        for account, change in ((source, -expected), (target, expected)):
            self.balance[account] += change
            self.bought[account] += change

    @rule(one=asked, charged=st.integers(0, 8))
    def settle_as_a_metered_model(self, one: UUID, charged: int) -> None:
        """Capture a part of the hold and release the rest."""
        if self.status[one] is not Status.PROCESSING:
            return
        cost, user = self.cost[one], self.owner[one]
        charged = min(charged, cost)
        self.run(self._settle(one, user, charged, cost - charged))
        self.status[one] = Status.SUCCEEDED
        self.paid[user] += charged
        self.balance[user] += cost - charged
        self.grants_left[user] += cost - charged

    async def _settle(self, one: UUID, user: UUID, charged: int, released: int) -> None:
        async with self.database.begin() as session:
            await session.execute(
                "UPDATE predictions SET status = 'succeeded', output = '{}', finished_at = now() WHERE id = $1", one
            )
            await session.execute(
                "UPDATE users SET balance = balance + $2, grants_left = grants_left + $2 WHERE id = $1", user, released
            )
            for kind, amount in (("capture", charged), ("release", released)):
                await session.execute(
                    "INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)"
                    " VALUES ($1, $2, $3, $4, 'system', 'test')",
                    user,
                    kind,
                    amount,
                    one,
                )

    def _end(self, one: UUID, status: Status) -> None:
        self.status[one] = status
        if status is not Status.SUCCEEDED:
            self.balance[self.owner[one]] += self.cost[one]
            self.grants_left[self.owner[one]] += self.cost[one]
        else:
            self.paid[self.owner[one]] += self.cost[one]

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
            held += self._waiting(user)
            assert (self.balance[user], held) == (balances[user].balance, balances[user].held)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.database.close())
            self.loop.close()


def test_money_and_states_agree_with_their_model_whatever_happens(database_url: str) -> None:
    class Machine(LedgerMachine):
        url = database_url

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
