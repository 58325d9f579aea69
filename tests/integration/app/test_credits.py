"""Transactions with their running balance, as pages and as a file; and what was used."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from ml_service.background.usage_sums import UsageSums
from ml_service.domain.errors import InvalidInput
from ml_service.domain.ids import first_id_at, new_id
from ml_service.domain.ledger import COMMAND_LINE
from ml_service.storage import canceling
from ml_service.storage.usage import By, Usage
from ml_service.usecases import ledger, usage
from services.app.api import exports
from tests.support.play import Play
from tests.support.service import Person, Service, code_of

REASON = '=HYPERLINK("http://x")'


async def statement(person: Person, **params: Any) -> list[dict[str, Any]]:
    """The items of all pages, at three transactions a page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": 3, **params, **({"cursor": cursor} if cursor else {})}
        answer = await person.get("/transactions", params=query)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


@pytest.fixture
async def spender(service: Service, anna: Person) -> Person:
    """Somebody with movements of many kinds."""
    async with service.worker():
        for text in ("a", "fail", "b"):
            await anna.predict(text, Prefer="wait=20")
    user_id = UUID((await anna.get("/users/me")).json()["id"])
    async with service.database.begin() as session:
        await ledger.top_up(session, user_id, 50, COMMAND_LINE, REASON)
        await ledger.adjust(session, user_id, -7, COMMAND_LINE, "-7 for a mistake")
    await anna.predict("waits")
    return anna


async def test_every_page_has_the_balance_after_each_movement(spender: Person) -> None:
    items = await statement(spender)
    balance = 0
    for one in reversed(items):
        balance += one["change"]
        assert one["balance_after"] == balance, one
    assert (balance, 1) == await spender.balance()
    assert [one["kind"] for one in items[:3]] == ["hold", "adjustment", "top_up"]


async def test_of_one_kind_alone_no_balance_is_said(spender: Person) -> None:
    items = await statement(spender, kind="hold")
    assert [(one["kind"], one["balance_after"]) for one in items] == [("hold", None)] * 4


async def test_a_broken_cursor_of_a_statement_is_refused(anna: Person) -> None:
    for cursor in ("AAAA", "A" * 20, "____________________", "not base64"):
        answer = await anna.get("/transactions", params={"cursor": cursor})
        assert code_of(answer) == (422, "invalid_input"), cursor


async def test_transactions_are_exported_without_formulas_and_with_numbers(
    spender: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_service.usecases.ledger.EXPORT_ROWS", 2)
    answer = await spender.get("/transactions", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="transactions.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == exports.TRANSACTION_COLUMNS
    shown = await statement(spender)
    assert [int(row["id"]) for row in rows] == [one["id"] for one in shown]
    assert [int(row["change"]) for row in rows] == [one["change"] for one in shown]  # -1 stays a number
    assert [int(row["balance_after"]) for row in rows] == [one["balance_after"] for one in shown]
    reasons = {row["kind"]: row["reason"] for row in rows}
    assert (reasons["top_up"], reasons["adjustment"]) == (f"'{REASON}", "'-7 for a mistake")
    assert rows[0]["created_at"].endswith("Z")


async def test_usage_is_counted_by_day_and_by_model(service: Service, spender: Person) -> None:
    by_model = (await spender.get("/usage", params={"by": "model"})).json()
    echo = {"model": "echo", "predictions": 4, "succeeded": 2, "failed": 1, "credits": 2}
    assert by_model == {"by": "model", "items": [echo], "credits_total": 2}
    by_day = (await spender.get("/usage")).json()
    assert by_day["by"] == "day"
    assert sum(one["predictions"] for one in by_day["items"]) == 4
    assert by_day["credits_total"] == 2
    assert all(one["day"] <= datetime.now(UTC).date().isoformat() for one in by_day["items"])
    earlier = (await spender.get("/usage", params={"from": "2026-01-01", "to": "2026-01-31"})).json()
    assert earlier == {"by": "day", "items": [], "credits_total": 0}
    assert (await (await service.join()).get("/usage")).json()["items"] == []
    too_long = await spender.get("/usage", params={"from": "2020-01-01"})
    assert code_of(too_long) == (422, "invalid_input")
    assert code_of(await spender.get("/usage", params={"by": "week"})) == (422, "invalid_input")


async def test_usage_that_is_counted_in_pieces_or_summed_is_the_same(service: Service, spender: Person) -> None:
    user_id = UUID((await spender.get("/users/me")).json()["id"])
    kinds: tuple[By, ...] = ("day", "model", "key")

    async def used(by: By, rows_max: int = 50_000) -> list[Usage]:
        async with service.database.begin() as session:
            return await usage.usage_of(session, user_id, by, None, None, rows_max=rows_max)

    whole = {by: await used(by) for by in kinds}
    assert {sum(one.predictions for one in found) for found in whole.values()} == {4}
    assert [await used(by, rows_max) for by in kinds for rows_max in (1, 3, 4)] == [
        whole[by] for by in kinds for _ in range(3)
    ]
    assert await UsageSums(service.database, lag_s=-5, rows_max=3, pause_s=0).sum() == 4
    assert {by: await used(by) for by in kinds} == whole
    assert await UsageSums(service.database, lag_s=-5).sum() == 0


async def test_thirty_whole_days_are_shown_where_no_time_is_named(service: Service, anna: Person) -> None:
    user_id = UUID((await anna.get("/users/me")).json()["id"])
    play, midnight = Play(service.database, user_id), datetime.combine(datetime.now(UTC).date(), time(), UTC)
    for days in (30, 29, 29):
        at = first_id_at(midnight - timedelta(days=days) + timedelta(seconds=0.1)).int
        await play.submit(play.submission(id=UUID(int=at | (new_id().int & ((1 << 80) - 1)))))
    await anna.predict("today")
    sums = UsageSums(service.database, pause_s=0)
    await sums.sum()
    await sums.check()  # the app may have summed that time already
    items = (await anna.get("/usage")).json()["items"]
    oldest = (midnight - timedelta(days=29)).date().isoformat()
    assert [(one["day"], one["predictions"]) for one in items] == [(oldest, 2), (midnight.date().isoformat(), 1)]
    named = (await anna.get("/usage", params={"to": midnight.date().isoformat()})).json()["items"]
    assert named == items


async def test_usage_that_is_read_while_it_is_summed_is_whole(service: Service, anna: Person) -> None:
    for _ in range(12):
        await anna.predict("waits")
    user_id = UUID((await anna.get("/users/me")).json()["id"])
    summing = asyncio.create_task(UsageSums(service.database, lag_s=-5, rows_max=1, pause_s=0).sum())
    for _ in range(12):
        async with service.database.begin() as session:
            [found] = await usage.usage_of(session, user_id, "model", None, None, rows_max=2)
        assert found.predictions == 12
    await summing


async def test_summing_ends_although_predictions_go_on_coming(service: Service, anna: Person) -> None:
    user_id = UUID((await anna.get("/users/me")).json()["id"])
    play = Play(service.database, user_id)
    summing = asyncio.create_task(UsageSums(service.database, lag_s=-5, pause_s=0.01).sum())
    number = 0
    while not summing.done() and number < 2000:
        await play.submit(play.submission(cost=0, open_max=10_000))
        number += 1
    assert number < 2000
    await summing


async def test_a_time_without_predictions_has_no_usage(anna: Person) -> None:
    for params in ({"from": "9999-12-31"}, {"to": "0001-01-05"}, {"from": "2030-01-02", "to": "2030-01-01"}):
        answer = await anna.get("/usage", params=params)
        assert (answer.status_code, answer.json()["items"]) == (200, []), params


async def test_predictions_that_came_after_their_day_was_summed_are_found(service: Service, anna: Person) -> None:
    user_id = UUID((await anna.get("/users/me")).json()["id"])
    sums = UsageSums(service.database, pause_s=0)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    play = Play(service.database, user_id)
    for late in range(2):  # the second: when the day has sums already
        await sums.sum()
        at = first_id_at(yesterday).int | (new_id().int & ((1 << 80) - 1))
        await play.submit(play.submission(id=UUID(int=at)))
        used = (await anna.get("/usage")).json()["items"]
        assert [one["predictions"] for one in used] == [late] * late
        await sums.check()
        await sums.check()
        [found] = (await anna.get("/usage")).json()["items"]
        assert (found["day"], found["predictions"]) == (yesterday.date().isoformat(), late + 1)
        async with service.database.begin() as session:
            await canceling.cancel(session, user_id, play.ids[-1])
    await sums.sum()
    [found] = (await anna.get("/usage")).json()["items"]
    assert (found["predictions"], found["failed"], found["credits"]) == (2, 0, 0)


class Noon(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Any = None) -> Noon:
        return cls(2026, 11, 26, 12, tzinfo=tz)


@pytest.mark.parametrize("end", [None, datetime(2026, 11, 27, tzinfo=UTC)])
async def test_a_year_is_as_long_with_an_end_as_without(
    play: Play, monkeypatch: pytest.MonkeyPatch, end: datetime | None
) -> None:
    monkeypatch.setattr(usage, "datetime", Noon)
    first = datetime(2026, 11, 27, tzinfo=UTC) - timedelta(days=usage.DAYS_MAX)  # the first of so many, today the last
    async with play.database.begin() as session:
        assert await usage.usage_of(session, play.user_id, "day", first, end) == []
    async with play.database.begin() as session:
        with pytest.raises(InvalidInput, match="at most 366 days"):
            await usage.usage_of(session, play.user_id, "day", first - timedelta(seconds=1), end)
