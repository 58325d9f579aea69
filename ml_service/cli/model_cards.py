"""A model's card: what its author wrote, or a first draft made of what it declares and how it answers its examples."""

from __future__ import annotations

import json
from typing import Any

from ml_service.cli.model_trials import Findings, Rate, best_of
from ml_service.domain.ledger import in_words
from ml_service.domain.models import ModelSpec
from ml_service.runtime.model_answers import Success

CARD_FILE = "MODEL_CARD.md"


def draft(spec: ModelSpec, found: Findings, rates: list[Rate]) -> str:
    """Return a card in Markdown; what only its author knows is asked for in italics."""
    best = best_of(rates)
    memory = f"{found.memory_bytes / 2**20:.0f} MiB" if found.memory_bytes is not None else "not known"
    speed = (
        f"{best.per_second:,.0f} inputs a second and process in batches of {best.size} ({best.batch_ms:.1f} ms);"
        f" one alone takes {rates[0].batch_ms:.1f} ms"
    )
    return "\n".join(
        [
            f"# {spec.name} {spec.version}",
            "",
            spec.description,
            "",
            "| | |",
            "|---|---|",
            f"| price | {in_words(spec.price_credits)} |",
            "| source, licence | *where the weights come from, and what their licence allows* |",
            "| training data | *what it has seen* |",
            f"| speed | {speed} |",
            f"| memory | {memory} |",
            "",
            "## Input",
            "",
            *_fields(spec.input_schema),
            "",
            "## Output",
            "",
            *_fields(spec.output_schema),
            "",
            "## Examples",
            "",
            *_examples(spec, found),
            "## Quality",
            "",
            "*On which data, by which command, with which figures.*",
            "",
            "## Limits",
            "",
            "*What it gets wrong, and what it must not be used for.*",
        ]
    )


def _fields(schema: dict[str, Any]) -> list[str]:
    needed = schema.get("required", [])
    rows = [
        f"| `{name}` | {_type(one)} | {'yes' if name in needed else 'no'} | {one.get('description', '')} |"
        for name, one in schema.get("properties", {}).items()
        if isinstance(one, dict)
    ]
    return ["| field | type | required | meaning |", "|---|---|---|---|", *rows]


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"] if one is not None)
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _examples(spec: ModelSpec, found: Findings) -> list[str]:
    lines = []
    for example, answer in zip(spec.examples, found.answers, strict=True):
        if isinstance(answer, Success):
            lines += ["```json", json.dumps(example, ensure_ascii=False), answer.output_json, "```", ""]
    return lines
