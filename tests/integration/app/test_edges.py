"""Around the routes: documentation, health, metrics, headers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from ml_service.domain.errors import ServiceError
from ml_service.domain.models import ModelState
from ml_service.platform.settings.app import AppSettings
from ml_service.storage import workers
from services.app.api.problems import STATUSES
from services.app.wiring import create_app
from tests.support.service import Person, Service, StartService, code_of

ROOT = Path(__file__).parents[3]
PUBLIC = {
    *("/users", "/token", "/session", "/service"),
    *("/models", "/models/{name}"),
    *("/health", "/health/live", "/health/ready", "/metrics"),
}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(create_app(AppSettings()).openapi()))
    return document


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_error_has_its_status() -> None:
    def below(error: type[ServiceError]) -> set[type[ServiceError]]:
        return {error, *(one for child in error.__subclasses__() for one in below(child))}

    assert below(ServiceError) - {ServiceError} == set(STATUSES)
    assert len({error.code for error in STATUSES}) == len(STATUSES)


def test_every_route_is_documented(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    for method, path, operation in operations(openapi):
        place = f"{method} {path}"
        assert operation["description"], place
        assert operation["tags"], place
        statuses = set(operation["responses"])
        if path not in PUBLIC or (method, path) == ("post", "/logout"):
            assert operation["security"], place
            assert "401" in statuses, place
        if path not in {"/health/live", "/metrics", "/service"}:  # these ask nobody
            assert "503" in statuses, place
        if "requestBody" in operation:
            assert {"400", "408", "413", "415", "422"} <= statuses, place
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/health":
                assert list(response["content"]) == ["application/problem+json"], place
                assert response["content"]["application/problem+json"]["examples"], place


def test_routes_that_a_document_names_exist(openapi: dict[str, Any]) -> None:
    routes = [
        re.compile(f"{method.upper()} {re.sub('{[^}]*}', '[^/]+', path)}") for method, path, _ in operations(openapi)
    ]
    named = {
        (document.name, name)
        for document in (*ROOT.glob("README*.md"), *ROOT.glob("docs/*.md"))
        for name in re.findall(r"`((?:GET|POST|PATCH|PUT|DELETE) /[\w/{}-]+)", document.read_text())
    }
    assert len(named) > 50
    assert {(place, name) for place, name in named if not any(route.fullmatch(name) for route in routes)} == set()


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    text = json.dumps(openapi)
    for part in text.split('"$ref": "')[1:]:
        node: Any = openapi
        for step in part.partition('"')[0].removeprefix("#/").split("/"):
            node = node[step]
    assert "HTTPValidationError" not in openapi["components"]["schemas"]


def test_links_give_ids_to_parameters_of_their_operations(openapi: dict[str, Any]) -> None:
    by_id = {operation["operationId"]: operation for _, _, operation in operations(openapi)}
    linked = [
        (response, link)
        for _, _, operation in operations(openapi)
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    for response, link in linked:
        [(name, source)] = link["parameters"].items()
        taken = {parameter["name"] for parameter in by_id[link["operationId"]]["parameters"]}
        assert name in taken, link
        reference = response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert source.rpartition("/")[2] in openapi["components"]["schemas"][reference]["properties"], link
    linked_to = {link["operationId"] for _, link in linked}
    takes_made_ids = ("prediction_id", "bulk_id", "key_id", "webhook_id")
    for _, path, operation in operations(openapi):
        if path.endswith(tuple(f"{{{one}}}" for one in takes_made_ids)):
            assert operation["operationId"] in linked_to, path


def test_examples_are_valid(openapi: dict[str, Any]) -> None:
    for name, schema in openapi["components"]["schemas"].items():
        rooted = {**schema, "components": openapi["components"]}
        validator = jsonschema_rs.Draft202012Validator(rooted)
        for example in schema.get("examples", []):
            assert validator.is_valid(example), (name, example)
    problem = {"$ref": "#/components/schemas/Problem", "components": openapi["components"]}
    for _, path, operation in operations(openapi):
        for response in operation["responses"].values():
            content = response.get("content", {}).get("application/problem+json", {})
            for example in content.get("examples", {}).values():
                assert jsonschema_rs.Draft202012Validator(problem).is_valid(example["value"]), path


async def test_answers_are_as_documented(service: Service, anna: Person, openapi: dict[str, Any]) -> None:
    def check(answer: httpx2.Response, path: str, method: str = "get") -> None:
        declared = openapi["paths"][path][method]["responses"][str(answer.status_code)]["content"]
        media_type = answer.headers["content-type"].partition(";")[0]
        schema = {**declared[media_type]["schema"], "components": openapi["components"]}
        errors = list(jsonschema_rs.Draft202012Validator(schema).iter_errors(answer.json()))
        assert not errors, (path, errors)

    async with service.worker():
        done = await anna.predict(Prefer="wait=10")
        failed = await anna.predict("fail", Prefer="wait=10")
    for answer in (done, failed, await anna.predict(), await anna.predict("")):
        check(answer, "/predictions/predict", "post")
    batch = await anna.post("/predictions/batch", {"items": [{"text": "a"}]})
    check(batch, "/predictions/batch", "post")
    check(await anna.get(f"/predictions/{done.json()['id']}"), "/predictions/{prediction_id}")
    for path in ("/predictions", "/balance", "/transactions", "/users/me", "/models", "/health", "/health/ready"):
        check(await anna.get(path), path)
    check(await anna.get("/models/echo"), "/models/{name}")


async def test_the_documentation_needs_no_internet(service: Service) -> None:
    assert (await service.client.get("/openapi.json")).status_code == 200
    page = await service.client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert "unsafe" not in page.headers["content-security-policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "docs.css", "theme.js", "init.js"):
        assert f"web/docs/{name}" in page.text
        file = await service.client.get(f"/web/docs/{name}")
        assert file.status_code == 200
        assert file.headers["x-content-type-options"] == "nosniff"


async def test_every_answer_has_its_headers(service: Service, anna: Person) -> None:
    for answer in (await anna.get("/balance"), await anna.client.get("/balance"), await service.client.get("/models")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert len(answer.headers["x-request-id"]) == 32
        assert "access-control-allow-origin" not in answer.headers
    mine = await anna.get("/balance", headers={"X-Request-ID": "abc-1"})
    assert mine.headers["x-request-id"] == "abc-1"
    for odd in ("a b", "a" * 200, 'a"b'):
        assert (await anna.get("/balance", headers={"X-Request-ID": odd})).headers["x-request-id"] != odd


async def test_models_are_public_and_complete(service: Service) -> None:
    listed = (await service.client.get("/models")).json()["items"]
    assert [one["name"] for one in listed] == ["dear", "echo"]
    echo = (await service.client.get("/models/echo")).json()
    assert (echo["price_credits"], echo["is_default"], echo["is_live"]) == (1, True, False)
    assert echo["examples"] == [{"text": "hello"}]


async def test_health_says_what_is_missing(service: Service) -> None:
    answer = await service.client.get("/health")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "degraded")
    assert body["database"] == {"status": "ok"}
    assert (body["queue"]["status"], body["queue"]["backend"]) == ("ok", "postgres")
    assert body["workers"] == {"status": "unavailable", "ready": 0, "ids": [], "models_failed": {}}


async def test_a_model_that_a_worker_cannot_load_is_shown_with_its_reason(service: Service) -> None:
    reason = "models/mine/model.py needs the Python package 'torch', not installed here."
    states = {"echo": ModelState("ready", "1"), "mine": ModelState("failed", None, reason)}
    async with service.database.autocommit() as session:
        for worker_id, number, lease_s in (("worker-1", 1, 60.0), ("worker-2", 2, 60.0), ("worker-3", 3, 0.0)):
            await workers.beat(
                session,
                worker_id,
                number,
                "host",
                1,
                pools=["default"],
                models=["dear@1", "echo@1"],
                model_states=states if lease_s else {"gone": ModelState("failed", None, "long ago")},
                state="ready",
                lease_s=lease_s,
            )
    await service.components.catalog.refresh()
    health = (await service.client.get("/health")).json()
    assert (health["status"], health["problems"]) == ("degraded", [])
    assert health["workers"]["models_failed"] == {"mine": reason}
    await service.components.load.look()
    listed = (await service.client.get("/models")).json()
    assert listed["broken"] == [{"name": "mine", "reason": reason, "workers": 2}]
    states["mine"] = ModelState("ready", "2")
    async with service.database.autocommit() as session:
        for worker_id, number in (("worker-1", 1), ("worker-2", 2)):
            await workers.beat(
                session,
                worker_id,
                number,
                "host",
                1,
                pools=["default"],
                models=["dear@1", "echo@1", "mine@1"],
                model_states=states,
                state="ready",
                lease_s=60,
            )
    assert (await service.client.get("/health")).json()["status"] == "ok"


async def test_metrics_are_for_the_inside_only(service: Service, anna: Person, start_service: StartService) -> None:
    await anna.predict()
    assert code_of(await service.client.get("/metrics")) == (403, "permission_denied")
    async with start_service(metrics_networks="192.0.2.0/24") as open_:
        await open_.client.get("/models/echo")
        text = (await open_.client.get("/metrics")).text
        assert 'ml_service_requests_total{method="GET",route="/models/{name}",status="200"} 1.0' in text
        forwarded = await open_.client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.9"})
        assert forwarded.status_code == 403


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


async def test_a_browser_at_an_unknown_address_gets_the_page(service: Service) -> None:
    page = await service.client.get("/")
    for accept in (BROWSER, "text/html", "application/json;q=0.5, text/html"):
        known = {"Accept": accept, "If-None-Match": page.headers["etag"]}
        answer = await service.client.get("/nowhere/at/all", headers=known)
        assert answer.status_code == 404, accept
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.text == page.text


async def test_others_at_an_unknown_address_get_a_problem(service: Service) -> None:
    for accept in ("*/*", "", "application/json", "application/problem+json, text/html", "text/html;q=0"):
        answer = await service.client.get("/nowhere", headers={"Accept": accept})
        assert code_of(answer) == (404, "not_found"), accept
    assert code_of(await service.client.post("/nowhere", headers={"Accept": BROWSER})) == (404, "not_found")
    for path in ("/web/nothing.js", "/web/docs/nothing.css"):
        assert code_of(await service.client.get(path, headers={"Accept": BROWSER})) == (404, "not_found")
