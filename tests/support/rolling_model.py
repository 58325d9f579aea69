"""A model whose versions take different inputs: version 1 a text, version 2 a number; both take both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.load import Load, Request

_CODE = """
from ml_service.runtime.author import Model

SCHEMA = {{"type": "object", "properties": {{"{field}": {{"type": "{type}"}}}}, "required": ["{field}"]}}


class Rolling(Model):
    name = "rolling"
    version = "{version}"
    description = "Returns what it was given; fails on an input of the other version."
    price_credits = {version}
    input_schema = SCHEMA
    output_schema = SCHEMA

    def predict(self, inputs):
        return [{{"{field}": one["{field}"], **one}} for one in inputs]
"""


def write_model(folder: Path, version: int) -> str:
    """Write the model at a version into a folder of models of its own; returns that folder."""
    models = folder / f"models-{version}"
    (models / "rolling").mkdir(parents=True, exist_ok=True)
    field_name, type_name = ("text", "string") if version == 1 else ("n", "integer")
    code = _CODE.format(version=version, field=field_name, type=type_name)
    (models / "rolling/model.py").write_text(code)
    return str(models)


DEFAULT = 0
"""Among the versions that clients ask for: the default one, by the name alone."""


@dataclass
class RollingLoad(Load):
    """Clients of the model; each request is for one of ``versions``, which a test changes while they ask.

    Attributes:
        other_share: How many of the requests are for the usual model instead.
    """

    versions: list[int] = field(default_factory=lambda: [1])
    other_share: float = 0.0

    def new_request(self, *, items: int = 0, user: str = "", text: str | None = None, model: str = "") -> Request:
        """A request for one of the versions; a batch is for one version."""
        if self._random.random() < self.other_share:
            return super().new_request(items=items, user=user, text=text, model=model)
        version = self._random.choice(self.versions)
        values: dict[str, Any] = {}
        if version in (1, DEFAULT):
            values["text"] = text or self.text
        if version in (2, DEFAULT):
            values["n"] = 7
        model = model or ("rolling" if version == DEFAULT else f"rolling@{version}")
        made = [{"model": model, "input": {**values, "id": uuid4().hex}} for _ in range(items or 1)]
        request = Request(user or self._random.choice(list(self.users)), uuid4().hex, made, bool(items))
        self.requests.append(request)
        return request
