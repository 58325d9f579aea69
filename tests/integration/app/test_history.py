"""A user's history by the API: filtered, paged, exported and asked for again."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from ml_service.domain.ids import first_id_at
from ml_service.storage.history import HistoryFilter
from ml_service.usecases import predictions
from services.app.api import exports
from services.app.http.exchange import BrokenOff
from tests.support.service import Person, Service, code_of

ERASE = """
    UPDATE predictions SET
        input = 'null', output = CASE WHEN output IS NOT NULL THEN 'null'::json END,
        error_message = CASE WHEN error_code IS NOT NULL THEN 'The text is no longer kept.' END
    WHERE id = ANY ($1::uuid[])
"""
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx")


async def ids_of(person: Person, **params: Any) -> list[str]:
    """The ids of all pages, at two predictions a page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        answer = await person.get(
            "/predictions", params={"limit": 2, **params, **({"cursor": cursor} if cursor else {})}
        )
        assert answer.status_code == 200, answer.text
        found += [one["id"] for one in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


@pytest.fixture
async def ids(service: Service, anna: Person) -> dict[str, str]:
    """Predictions that succeeded, failed, were canceled and wait; of two models; another user's beside them."""
    made = {}
    async with service.worker():
        for text in ("done", "fail", "again"):
            made[text] = (await anna.predict(text, Prefer="wait=20")).json()["id"]
    made["canceled"] = (await anna.predict("canceled")).json()["id"]
    await anna.post(f"/predictions/{made['canceled']}/cancel")
    dear = await anna.post("/predictions/predict", {"model": "dear", "input": {"text": "dear"}})
    made["dear"] = dear.json()["id"]
    await (await service.join()).predict("not anna's")
    return made


async def test_filters_can_be_combined_and_repeated(anna: Person, ids: dict[str, str]) -> None:
    newest_first = list(reversed(ids.values()))
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, newest_first),
        ({"status": "queued"}, [ids["dear"]]),
        ({"status": ["queued", "failed"]}, [ids["dear"], ids["fail"]]),
        ({"status": ["failed", "canceled"]}, [ids["canceled"], ids["fail"]]),
        ({"status": "succeeded", "model": "echo"}, [ids["again"], ids["done"]]),
        ({"model": "dear", "status": ["queued", "processing"]}, [ids["dear"]]),
        ({"model": "echo", "status": "queued"}, []),
        ({"source": "api", "status": "canceled"}, [ids["canceled"]]),
        ({"source": "telegram"}, []),
    ]
    for params, expected in cases:
        assert await ids_of(anna, **params) == expected, params


async def test_days_and_times_are_filtered_in_utc(service: Service, anna: Person) -> None:
    moments = [datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((1, 23), (2, 0), (2, 23), (3, 0))]
    template = (await anna.predict()).json()["id"]
    ids = [str(first_id_at(moment)) for moment in moments]
    async with service.database.begin() as session:
        for made in ids:
            await session.execute(
                "INSERT INTO predictions (id, user_id, model, version, source, cost, status, finished_at, error_code,"
                " input) SELECT $1, user_id, model, version, source, 0, 'canceled', now(), 'canceled', input"
                " FROM predictions WHERE id = $2",
                made,
                template,
            )
            await session.execute(
                "INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)"
                " SELECT user_id, kind, 0, $1, 'system', 'test'"
                " FROM predictions, unnest('{hold,release}'::text[]) AS kind WHERE id = $1",
                made,
            )
    for start, end, expected in (
        ("2026-03-02", "2026-03-02", [2, 1]),
        ("2026-03-02", None, [3, 2, 1]),
        (None, "2026-03-01", [0]),
        ("2026-03-01T23:30:00Z", "2026-03-02T23:00:00", [1]),
        ("2026-03-02T02:00:00+03:00", "2026-03-03T00:00:01", [3, 2, 1, 0]),
        ("2026-03-04", "2026-03-03", []),
    ):
        params = {name: value for name, value in (("from", start), ("to", end)) if value}
        found = await ids_of(anna, status="canceled", **params)
        assert found == [ids[place] for place in expected], params
    for wrong in ("yesterday", "2026-13-01", "9999-12-31T99", "1700000000"):
        answer = await anna.get("/predictions", params={"from": wrong})
        assert code_of(answer) == (422, "invalid_input")
        assert answer.json()["errors"][0]["location"] == "query.from"
    assert (await anna.get("/predictions", params={"from": "0001-01-01", "to": "9999-12-30"})).status_code == 200


async def test_the_pages_and_the_export_are_the_same(anna: Person, ids: dict[str, str]) -> None:
    answer = await anna.get("/predictions", params={"format": "jsonl"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="predictions.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == (await anna.get("/predictions")).json()["items"]
    assert [one["id"] for one in lines] == list(reversed(ids.values()))
    some = await anna.get("/predictions", params={"format": "jsonl", "status": ["failed", "canceled"]})
    assert [json.loads(line)["id"] for line in some.text.splitlines()] == [ids["canceled"], ids["fail"]]


async def test_an_export_goes_on_over_many_pieces(
    anna: Person, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_service.usecases.predictions.EXPORT_ROWS", 2)
    exported = (await anna.get("/predictions", params={"format": "jsonl"})).text.splitlines()
    assert [json.loads(line)["id"] for line in exported] == list(reversed(ids.values()))


async def test_a_piece_of_an_export_is_bounded_in_bytes(service: Service, anna: Person) -> None:
    for number in range(6):
        await anna.predict("x" * 4000 + str(number))
    user_id = UUID((await anna.get("/users/me")).json()["id"])

    async def go_on() -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "EXPORT_BYTES", 6000)
        pieces = predictions.export(service.database, user_id, HistoryFilter(), go_on)
        sizes = [len(piece) async for piece in pieces]
    assert sizes == [2, 2, 2]


async def test_an_export_starts_no_formula_and_keeps_numbers(service: Service, anna: Person) -> None:
    async with service.worker():
        for text in FORMULAS:
            assert (await anna.predict(text, Prefer="wait=20")).status_code == 200
    answer = await anna.get("/predictions", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["text"] for row in rows] == ["'" + text for text in reversed(FORMULAS)]
    assert tuple(rows[0]) == exports.PREDICTION_COLUMNS
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for value in row.values())
    assert {(row["cost"], row["charged"], row["status"]) for row in rows} == {("1", "1", "succeeded")}
    assert json.loads(rows[0]["output"]) == {"text": FORMULAS[-1]}
    assert float(rows[0]["predict_ms"]) == 0.5


async def test_what_is_no_longer_kept_is_null_and_an_empty_cell(
    service: Service, anna: Person, ids: dict[str, str]
) -> None:
    async with service.database.begin() as session:
        await session.execute(ERASE, [ids["done"], ids["fail"], ids["canceled"]])
    shown = {one["id"]: one for one in (await anna.get("/predictions")).json()["items"]}
    assert shown[ids["done"]]["status"] == "succeeded"
    assert (shown[ids["done"]]["input"], shown[ids["done"]]["output"]) == (None, None)
    assert shown[ids["fail"]]["error"] == {"code": "model_error", "message": "The text is no longer kept."}
    assert shown[ids["again"]]["input"] == {"text": "again"}
    answer = await anna.get("/predictions", params={"format": "csv"})
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))}
    for name in ("done", "fail", "canceled"):
        assert [rows[ids[name]][column] for column in ("text", "input", "output")] == ["", "", ""]
    assert json.loads(rows[ids["again"]]["output"]) == {"text": "again"}


async def test_an_export_ends_with_the_sign_in(
    service: Service, anna: Person, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_service.usecases.predictions.EXPORT_ROWS", 1)
    monkeypatch.setattr(exports, "CHECK_S", -1.0)
    left = [True, True, False]

    async def is_active(_signed_in: object) -> bool:
        return left.pop(0)

    monkeypatch.setattr(type(service.components.access), "is_active", lambda _self, signed_in: is_active(signed_in))
    with pytest.raises(BrokenOff):  # nobody takes a part for the whole
        await anna.get("/predictions", params={"format": "jsonl"})
    assert left == []
    assert len(ids) > 2


async def test_a_prediction_is_repeated_once_for_its_key(service: Service, anna: Person, ids: dict[str, str]) -> None:
    key = {"Idempotency-Key": "again-1"}
    first = await anna.post(f"/predictions/{ids['done']}/repeat", headers=key)
    assert first.status_code == 202, first.text
    made = first.json()
    assert (made["input"], made["model"], made["version"]) == ({"text": "done"}, "echo", "1")
    assert (made["status"], made["cost"]) == ("queued", 1)
    assert first.headers["location"] == f"/predictions/{made['id']}"
    # Whatever has become of it: the same key is the same request.
    async with service.database.begin() as session:
        await session.execute("UPDATE predictions SET input = 'null', output = 'null' WHERE id = $1", ids["done"])
    twin = await anna.post(f"/predictions/{ids['done']}/repeat", headers=key)
    assert (twin.json()["id"], twin.headers["idempotent-replayed"]) == (made["id"], "true")
    reused = await anna.post(f"/predictions/{ids['fail']}/repeat", headers=key)
    assert code_of(reused) == (422, "idempotency_key_reused")
    assert code_of(await anna.predict("done", Idempotency_Key="again-1")) == (422, "idempotency_key_reused")
    erased = await anna.post(f"/predictions/{ids['done']}/repeat")
    assert code_of(erased) == (422, "invalid_input")
    assert "no longer kept" in erased.json()["detail"]


async def test_nobody_repeats_what_is_not_theirs(service: Service, ids: dict[str, str]) -> None:
    ben = await service.join()
    for one in (ids["done"], str(uuid4())):
        assert code_of(await ben.post(f"/predictions/{one}/repeat")) == (404, "not_found")
    assert await ben.balance() == (100, 0)


async def test_a_repeated_prediction_costs_its_price_of_today(anna: Person, ids: dict[str, str]) -> None:
    refused = await anna.post(f"/predictions/{ids['dear']}/repeat")
    assert code_of(refused) == (402, "insufficient_credits")


async def test_a_page_that_finds_nothing_for_a_while_goes_on_by_its_cursor(
    anna: Person, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_service.usecases.predictions.LOOKING_S_MAX", -1.0)
    monkeypatch.setattr("ml_service.storage.history.ROWS_READ_MAX", 1)
    monkeypatch.setattr("ml_service.storage.history.history.__kwdefaults__", {"bytes_max": 10**6, "rows_read_max": 1})
    page = (await anna.get("/predictions", params={"model": "echo"})).json()
    assert (page["items"], page["next_cursor"] is None) == ([], False)
    assert await ids_of(anna, model="echo") == list(reversed(list(ids.values())[:-1]))


def test_the_first_id_of_a_moment_is_between_those_before_and_after_it() -> None:
    moment = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert first_id_at(moment - timedelta(milliseconds=1)) < first_id_at(moment)
    assert first_id_at(datetime(1, 1, 1, tzinfo=UTC)).int == 0
