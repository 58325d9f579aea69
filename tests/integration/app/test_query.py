"""Query parameters that a route does not have are refused, on every route: a typo in a filter never returns all."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ml_service.domain.ids import new_id
from ml_service.platform.settings.app import AppSettings
from services.app.wiring import create_app
from tests.support.service import Person, Service, code_of

UNKNOWN: list[tuple[str, str, str]] = [  # the address, what is wrong, what is said of it
    ("/predictions?statu=failed", "query.statu", "did you mean status?"),
    ("/predictions?Status=failed", "query.Status", "did you mean status?"),
    ("/predictions?status[]=failed", "query.status[]", "did you mean status?"),
    ("/predictions?status =failed", "query.status ", "did you mean status?"),
    ("/predictions?amp;limit=1", "query.amp;limit", "did you mean limit?"),
    ("/predictions?batch-id=1", "query.batch-id", "did you mean batch_id?"),
    ("/predictions?page=2", "query.page", "there is limit, cursor"),
    ("/predictions?limit=1&_=1764140000", "query._", "there is limit, cursor"),
    ("/predictions?=failed", "query.", "there is limit, cursor"),
    ("/predictions?%00=1", "query.\x00", "there is limit, cursor"),
    ("/predictions?%D1%81tatus=failed", "query.сtatus", "did you mean status?"),
    ("/predictions?limit=1&limit=200", "query.limit", "once"),
    ("/predictions?from=2026-01-01&from=2026-02-01", "query.from", "once"),
    ("/transactions?type=capture", "query.type", "there is limit, cursor"),
    ("/usage?group=model", "query.group", "there is"),
    ("/balance?user=anna", "query.user", "takes none"),
    ("/models?limit=1", "query.limit", "takes none"),
    ("/bulk?limt=1", "query.limt", "did you mean limit?"),
    ("/predictions?limit=1_0", "query.limit", "in the digits 0 to 9"),
    ("/predictions?limit=+5", "query.limit", "in the digits 0 to 9"),
    ("/predictions?limit=%2B5", "query.limit", "in the digits 0 to 9"),
    ("/predictions?limit=%201", "query.limit", "in the digits 0 to 9"),
    ("/predictions?limit=5.0", "query.limit", "in the digits 0 to 9"),
    ("/predictions?limit=", "query.limit", "in the digits 0 to 9"),
]


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(create_app(AppSettings()).openapi()))
    return document


async def test_every_route_refuses_a_parameter_that_it_does_not_have(
    service: Service, boss: Person, openapi: dict[str, Any]
) -> None:
    for path, operations in openapi["paths"].items():
        address = re.sub(r"{[a-z_]+}", str(new_id()), path) + "?colour=red"
        as_json = {"Content-Type": "application/json"}
        for method, operation in operations.items():
            answer = await service.client.request(method, address, headers=boss.headers | as_json)
            assert code_of(answer) == (422, "invalid_input"), (method, path, answer.text)
            assert answer.json()["errors"][0]["location"] == "query.colour", (method, path)
            if operation.get("security") and not path.startswith(
                "/session"
            ):  # nobody learns anything without a sign-in
                assert (await service.client.request(method, address, headers=as_json)).status_code == 401, (
                    method,
                    path,
                )
    assert (await boss.get("/users/me/sessions")).status_code == 200  # nothing was done by any of them


async def test_what_is_wrong_is_named_beside_the_nearest_name(anna: Person) -> None:
    for address, location, said in UNKNOWN:
        answer = await anna.get(address)
        assert code_of(answer) == (422, "invalid_input"), address
        [error] = answer.json()["errors"]
        assert error["location"] == location, address
        assert said in error["message"], (address, error)
        assert location in answer.json()["detail"], address


async def test_a_query_of_very_many_parameters_is_refused_unread(service: Service, anna: Person) -> None:
    address = "/predictions?" + "&".join(f"a{number}" for number in range(101))
    answer = await anna.get(address)
    assert code_of(answer) == (422, "invalid_input")
    expected = [{"location": "query", "message": "A query has at most 100 parameters."}]
    assert answer.json()["errors"] == expected
    assert code_of(await service.client.get(address)) == (401, "unauthenticated")
    assert (await anna.post(address.replace("?", "/predict?"), {"text": "a"})).json()["errors"] == expected
    fewer = await anna.get(address.rpartition("&")[0])
    assert len(fewer.json()["errors"]) == 20


async def test_what_is_known_is_taken_as_before(service: Service, anna: Person) -> None:
    assert (await anna.predict()).status_code == 202
    for address in ("/predictions?status=failed&status=queued&limit=1", "/predictions?", "/predictions?model=echo&&"):
        answer = await anna.get(address)
        assert answer.status_code == 200, address
        assert len(answer.json()["items"]) == 1, address
    refused = await anna.post("/predictions/predict?wait=5", {"text": "hello"})
    assert code_of(refused) == (422, "invalid_input")
    assert await anna.balance() == (99, 1)
    for address in ("/?utm_source=letter", "/app/history?status=failed", "/docs?x"):  # pages read their own
        assert (await service.client.get(address)).status_code == 200, address
