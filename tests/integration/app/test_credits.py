"""Transactions with their running balance, as pages and as a file; and what was used."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import pytest

from ml_service.domain.ledger import COMMAND_LINE
from ml_service.usecases import ledger, usage
from services.app.api import exports
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
    user_id = (await anna.get("/users/me")).json()["id"]
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


@pytest.mark.parametrize("cursor", ["AAAA", "A" * 20, "____________________", "not base64"])
async def test_a_broken_cursor_of_a_statement_is_refused(anna: Person, cursor: str) -> None:
    assert code_of(await anna.get("/transactions", params={"cursor": cursor})) == (422, "invalid_input")


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


async def test_usage_that_is_counted_in_pieces_is_the_same(service: Service, spender: Person) -> None:
    user_id = UUID((await spender.get("/users/me")).json()["id"])
    kinds: tuple[Literal["day", "model", "key"], ...] = ("day", "model", "key")
    async with service.database.autocommit() as session:
        for by in kinds:
            whole = await usage.usage_of(session, user_id, by, None, None)
            assert sum(one.predictions for one in whole) == 4
            for rows_max in (1, 3, 4):
                assert await usage.usage_of(session, user_id, by, None, None, rows_max=rows_max) == whole
