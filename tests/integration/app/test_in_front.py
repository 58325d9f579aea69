"""What other origins, proxies in front, and the log see of the app: CORS_ORIGINS, ROOT_PATH, the fields of a line."""

from __future__ import annotations

import pytest
import structlog

from tests.support.service import Person, Service, StartService, code_of

FRIEND = "https://friend.example"
ASK = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}


@pytest.mark.parametrize(
    ("setting", "origin", "is_allowed"),
    [
        (FRIEND, FRIEND, True),
        (f" {FRIEND} , https://other.example:8443", "https://other.example:8443", True),
        ("*", "https://anybody.example", True),
        (FRIEND, "http://friend.example", False),
        (FRIEND, "https://friend.example.evil.example", False),
        (FRIEND, "null", False),
    ],
)
async def test_pages_of_named_origins_may_ask_the_api(
    start_service: StartService, setting: str, origin: str, is_allowed: bool
) -> None:
    async with start_service(cors_origins=setting) as service:
        person = await service.join()
        asked = await service.client.options("/predictions/predict", headers={"Origin": origin, **ASK})
        assert asked.status_code == (200 if is_allowed else 400)
        answer = await person.post("/predictions/predict", {"text": "a"}, headers={"Origin": origin})
        assert answer.status_code == 202
        refused = await service.client.get("/balance", headers={"Origin": origin})
        assert refused.status_code == 401
        for one in (asked, answer, refused):
            assert ("access-control-allow-origin" in one.headers) is is_allowed
            assert "access-control-allow-credentials" not in one.headers
        if is_allowed:
            assert "POST" in asked.headers["access-control-allow-methods"]
            assert "idempotency-key" in asked.headers["access-control-allow-headers"].lower()
            assert "location" in answer.headers["access-control-expose-headers"].lower()


async def test_pages_of_named_origins_can_read_errors_that_nobody_foresaw(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("ml_service.usecases.ledger.balance", broken)
    async with start_service(cors_origins=FRIEND) as service:
        person = await service.join()
        answer = await person.get("/balance", headers={"Origin": FRIEND})
        assert code_of(answer) == (500, "internal_error")
        assert answer.headers.get_list("access-control-allow-origin") == [FRIEND]


async def test_a_refused_preflight_is_a_problem(start_service: StartService) -> None:
    async with start_service(cors_origins=FRIEND) as service:
        for headers, wrong in (
            ({"Origin": "https://evil.example"}, "origin"),
            ({"Origin": FRIEND, "Access-Control-Request-Headers": "x-other"}, "headers"),
            ({"Origin": FRIEND, "Access-Control-Request-Method": "TRACE"}, "method"),
        ):
            refused = await service.client.options("/balance", headers=ASK | headers)
            assert code_of(refused) == (400, "bad_request")
            assert refused.json()["detail"] == f"Disallowed CORS {wrong}."
            assert refused.json()["request_id"] == refused.headers["x-request-id"]
            assert "Origin" in refused.headers["vary"]


async def test_pages_of_named_origins_can_read_and_send_the_headers_that_the_api_has(
    start_service: StartService,
) -> None:
    async with start_service(cors_origins=FRIEND) as service:
        sends = {"Origin": FRIEND, **ASK, "Access-Control-Request-Headers": "if-none-match"}
        assert (await service.client.options("/models", headers=sends)).status_code == 200
        answer = await service.client.get("/models", headers={"Origin": FRIEND})
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {"allow", "content-disposition", "etag", "location", "www-authenticate"} <= {*exposed}


async def test_no_other_origin_may_ask_where_none_is_named(service: Service) -> None:
    asked = await service.client.options("/predictions/predict", headers={"Origin": FRIEND, **ASK})
    assert asked.status_code == 405
    answer = await service.client.get("/models", headers={"Origin": FRIEND})
    assert answer.status_code == 200
    assert not [name for one in (asked, answer) for name in one.headers if name.startswith("access-control-")]


async def test_addresses_are_right_behind_a_proxy_that_takes_a_prefix_away(start_service: StartService) -> None:
    async with start_service(root_path="/ml") as service:
        person = await service.join()
        one = await person.post("/predictions/predict", {"text": "a"})
        assert one.headers["location"] == f"/ml/predictions/{one.json()['id']}"
        many = await person.post("/predictions/batch", {"items": [{"text": "a"}]})
        assert many.headers["location"] == f"/ml/predictions?batch_id={many.json()['batch_id']}"
        assert (await service.client.get("/openapi.json")).json()["servers"] == [{"url": "/ml"}]
        for path in ("/docs", "/models", "/health/live"):
            assert (await service.client.get(path)).status_code == 200


async def test_a_line_of_the_log_says_who_asked_what_and_how_it_ended(start_service: StartService) -> None:
    async with start_service(trusted_proxies="192.0.2.0/24") as service:
        forwarded = {"X-Forwarded-For": "203.0.113.9, 192.0.2.8", "X-Request-ID": "abc-1"}
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            await service.client.get("/models/%E2%80%A8echo%1B[31m?token=secret", headers=forwarded)
            await service.client.get("/models/echo")
            await service.client.get("/health/live")
    first, second, *quiet = [line for line in lines if line["event"] == "request"]
    assert {**first, "ms": 0} == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": "/models/%E2%80%A8echo%1B[31m",
        "status": 422,
        "ms": 0,
        "client": "203.0.113.9",
        "request_id": "abc-1",
    }
    assert first["ms"] >= 0
    assert second["client"] == "192.0.2.7"
    assert [line["log_level"] for line in quiet] == ["debug"]


async def test_the_log_names_no_forwarded_address_that_nobody_vouches_for(anna: Person) -> None:
    with structlog.testing.capture_logs() as lines:
        await anna.get("/balance", headers={"X-Forwarded-For": "203.0.113.9"})
    assert [line["client"] for line in lines if line["event"] == "request"] == ["192.0.2.7"]


DAMAGES = [  # a table, a column, a right that is missing; and how to mend it, for the audit after the test
    ("ALTER TABLE transactions RENAME TO gone", "ALTER TABLE gone RENAME TO transactions"),
    ("ALTER TABLE transactions RENAME amount TO gone", "ALTER TABLE transactions RENAME gone TO amount"),
    ("REVOKE SELECT ON transactions FROM ml_service_app", "GRANT SELECT ON transactions TO ml_service_app"),
]


@pytest.mark.parametrize(("damage", "repair"), DAMAGES)
async def test_a_statement_that_is_wrong_is_a_fault_of_ours_and_no_outage(
    service: Service, anna: Person, damage: str, repair: str
) -> None:
    async with service.database.autocommit() as session:
        await session.execute(damage)
        answer = await anna.get("/transactions")
        await session.execute(repair)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error"), answer.text
