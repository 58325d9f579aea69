"""Links of the API's description: what the id in an answer is good for. Programs that explore an API follow them."""

from __future__ import annotations

from typing import Any

_LINKS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    # who makes it → which field of the answer names it, and which operations take that
    ("post", "/predictions/predict"): (
        "id",
        (
            "get /predictions/{prediction_id}",
            "get /predictions/{prediction_id}/events",
            "post /predictions/{prediction_id}/cancel",
            "post /predictions/{prediction_id}/repeat",
            "get /admin/predictions/{prediction_id}",
        ),
    ),
    ("post", "/predictions/{prediction_id}/repeat"): (
        "id",
        ("get /predictions/{prediction_id}", "post /predictions/{prediction_id}/cancel"),
    ),
    ("post", "/predictions/batch"): ("batch_id", ("get /predictions",)),
    ("post", "/bulk"): (
        "bulk_id",
        ("get /bulk/{bulk_id}", "get /bulk/{bulk_id}/results", "post /bulk/{bulk_id}/cancel"),
    ),
    ("post", "/api-keys"): (
        "id",
        ("patch /api-keys/{key_id}", "post /api-keys/{key_id}/rotate", "delete /api-keys/{key_id}"),
    ),
    ("post", "/webhooks"): (
        "id",
        (
            "patch /webhooks/{webhook_id}",
            "post /webhooks/{webhook_id}/test",
            "get /webhooks/{webhook_id}/deliveries",
            "post /webhooks/{webhook_id}/rotate-secret",
            "delete /webhooks/{webhook_id}",
        ),
    ),
    ("post", "/webhooks/{webhook_id}/test"): ("id", ("post /webhooks/deliveries/{delivery_id}/resend",)),
}


def add_links(paths: dict[str, Any]) -> None:
    """Write the links into the ``paths`` of an OpenAPI document, at each answer that says what was made."""
    for (method, path), (field, targets) in _LINKS.items():
        links = {}
        for target in targets:
            operation = paths[target.partition(" ")[2]][target.partition(" ")[0]]
            name = _parameter(target, field)
            links[operation["operationId"]] = {
                "operationId": operation["operationId"],
                "parameters": {name: f"$response.body#/{field}"},
            }
        for status, response in paths[path][method]["responses"].items():
            if status.startswith("2"):
                response["links"] = links


def _parameter(target: str, field: str) -> str:
    """The name that an operation has for it: in its path, else in its query."""
    return target.partition("{")[2].partition("}")[0] or field
