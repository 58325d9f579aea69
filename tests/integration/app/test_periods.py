"""`from` and `to` on every route that takes a period: at the bounds of time, and in every spelling of a day."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from ml_service.platform.settings.app import AppSettings
from services.app.wiring import create_app
from tests.support.service import Person, code_of

BOUNDS = [
    None,
    "0001-01-01",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T12:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01",
    "2026-11-26",
    "2026-11-26T12:00:00.000001Z",
    "2026-11-26 12:00",
    "9999-12-30",
    "9999-12-30T00:00:00.000001Z",
    "9999-12-31",
    "9999-12-31T00:00:00Z",
    "9999-12-31T12:00:00Z",
    "9999-12-31T23:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-23:59",
]
WITHOUT_A_TIME = ["20261126", "2026-W48", "2026W48", "2026-W48-4", "2026W484", "2026-11", "2026-330", "2026-11-26T"]


@pytest.fixture(scope="module")
def routes() -> list[str]:
    paths = create_app(AppSettings()).openapi()["paths"]
    found = [
        path
        for path, operations in paths.items()
        if any(one["name"] == "to" for one in operations.get("get", {}).get("parameters", []))
    ]
    assert {"/predictions", "/usage"} <= set(found)
    return found


async def test_each_period_has_an_answer(anna: Person, routes: list[str]) -> None:
    for route, start, end in itertools.product(routes, BOUNDS, BOUNDS):
        params = {name: value for name, value in (("from", start), ("to", end)) if value is not None}
        answer = await anna.get(route, params=params)
        assert answer.status_code in {200, 422}, (route, params, answer.text)
    last = {"from": "9999-12-31T12:00:00Z", "to": "9999-12-31T23:00:00Z"}
    assert [(await anna.get(route, params=last)).status_code for route in routes] == [200] * len(routes)


async def test_a_day_has_one_spelling_and_is_whole(anna: Person, routes: list[str]) -> None:
    assert (await anna.predict()).status_code == 202
    today = datetime.now(UTC).date()
    before, after = today - timedelta(days=1), today + timedelta(days=1)  # a test may run over midnight
    _, week, day = today.isocalendar()
    others = [f"{today:%Y%m%d}", f"{today:%G-W%V}", f"{today:%GW%V}", f"{today:%G}-W{week:02}-{day}", f"{today}t"]
    for route in routes:
        found = await anna.get(route, params={"from": f"{before}", "to": f"{after}"})
        assert len(found.json()["items"]) == 1, route
        compact = await anna.get(route, params={"from": f"{before:%Y%m%d}T000000Z", "to": f"{after} 23:59:59.999999"})
        assert compact.json()["items"] == found.json()["items"]
        for name, value in itertools.product(("from", "to"), [*others, *WITHOUT_A_TIME, f"{today:%G-W%V}T12:00"]):
            answer = await anna.get(route, params={name: value})
            assert code_of(answer) == (422, "invalid_input"), (route, name, value)
