"""Each link of the API's description leads somewhere: the id of what was made is good for the operation it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.support.system import System

Operation = tuple[str, str]
"""Method and path, as in the description."""

TEXT = {"model": "echo", "input": {"text": "x"}}
BODIES: dict[Operation, dict[str, Any]] = {
    ("post", "/predictions/predict"): {"json": TEXT},
    ("post", "/predictions/batch"): {"json": {"items": [TEXT, TEXT]}},
    ("post", "/bulk"): {
        "content": '{"text": "x"}\n',
        "params": {"model": "echo"},
        "headers": {"Content-Type": "application/x-ndjson"},
    },
    ("post", "/api-keys"): {"json": {"name": "linked", "scopes": ["read"]}},
    ("patch", "/api-keys/{key_id}"): {"json": {"name": "renamed"}},
    ("post", "/api-keys/{key_id}/rotate"): {"json": {"grace_s": 0}},
    ("post", "/webhooks"): {"json": {"url": "https://example.com/hook", "events": ["prediction.succeeded"]}},
    ("patch", "/webhooks/{webhook_id}"): {"json": {"events": ["bulk.finished"]}},
    ("post", "/webhooks/{webhook_id}/rotate-secret"): {"json": {"grace_s": 0}},
}
"""What an operation is sent; the others take nothing but the id."""
TOO_LATE = 409
"""Where a worker was quicker than a cancel."""


@dataclass
class Described:
    """The description of a started system, and somebody who may do all of it."""

    client: httpx2.Client
    paths: dict[str, Any]

    def links(self) -> Iterator[tuple[Operation, int, Operation, dict[str, str]]]:
        """Which answer of which operation leads to which one, with its parameters."""
        named = {
            operation["operationId"]: (method, path)
            for path, methods in self.paths.items()
            for method, operation in methods.items()
        }
        for path, methods in self.paths.items():
            for method, operation in methods.items():
                for status, response in operation["responses"].items():
                    for link in response.get("links", {}).values():
                        yield (method, path), int(status), named[link["operationId"]], link["parameters"]

    def ask(self, operation: Operation, parameters: dict[str, str], **more: str) -> httpx2.Response:
        """Carry out an operation; of a stream that does not end, its beginning."""
        method, path = operation
        options = {**BODIES.get(operation, {})}
        in_query = {name: value for name, value in parameters.items() if f"{{{name}}}" not in path}
        options["params"] = {**options.get("params", {}), **in_query}
        options["headers"] = {**options.get("headers", {}), **more}
        with self.client.stream(method.upper(), path.format(**parameters), **options) as answer:
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                assert next(answer.iter_text())
            else:
                answer.read()
            return answer

    def made(self, operation: Operation, status: int) -> dict[str, Any]:
        """The answer of an operation with this status; what it takes an id of is made first."""
        parameters: dict[str, str] = {}
        if "{" in operation[1]:
            source, source_status, _, wanted = next(one for one in self.links() if one[2] == operation)
            parameters = self.resolved(wanted, self.made(source, source_status))
        answer = self.ask(operation, parameters, **({"Prefer": "wait=30"} if status == 200 else {}))
        assert answer.status_code == status, answer.text
        body: dict[str, Any] = answer.json()
        return body

    @staticmethod
    def resolved(wanted: dict[str, str], body: dict[str, Any]) -> dict[str, str]:
        """The parameters of a link, of the answer that it is in."""
        return {name: str(body[expression.removeprefix("$response.body#/")]) for name, expression in wanted.items()}


@pytest.fixture
def described(system: System) -> Iterator[Described]:
    name = f"linked-{uuid4().hex[:8]}"
    with system.register(name, credits_=100) as client:
        system.run("--cli", "admin", "role", name, "viewer", "--reason", "follows links to /admin")
        paths = client.get("/openapi.json").json()["paths"]
        yield Described(client, paths)


def test_each_link_of_the_description_leads_where_it_says(described: Described) -> None:
    links = list(described.links())
    wrong = []
    for source, status, target, wanted in links:
        parameters = described.resolved(wanted, described.made(source, status))
        answer = described.ask(target, parameters)
        declared = described.paths[target[1]][target[0]]["responses"]
        is_late = answer.status_code == TOO_LATE and target[1].endswith("/cancel")
        if str(answer.status_code) not in declared or not (answer.is_success or is_late):
            wrong.append((source, status, target, answer.status_code))
    assert wrong == []
    followed = {(source[1], target[1].partition("}")[2]) for source, _, target, _ in links}
    assert followed >= {("/predictions/predict", part) for part in ("", "/cancel", "/repeat", "/events")} | {
        ("/bulk", part) for part in ("", "/results", "/cancel")
    } | {("/webhooks/{webhook_id}/test", "/resend")}
