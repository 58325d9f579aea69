"""The folder that `models/README.md` says to copy works as it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ml_service.runtime.author import Model, PredictionFailure
from ml_service.runtime.host.declarations import spec_of

MODELS = Path(__file__).parents[3] / "models"


def _class_in(folder: str, name: str) -> type[Model]:
    spec = importlib.util.spec_from_file_location(f"template{folder}", MODELS / folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Any = getattr(module, name)
    assert issubclass(found, Model)
    return found


@pytest.mark.parametrize(
    ("folder", "name", "model"), [("_python", "Example", "example"), ("_huggingface", "HuggingFace", "huggingface")]
)
def test_a_template_can_be_announced_without_an_ml_library(folder: str, name: str, model: str) -> None:
    assert spec_of(_class_in(folder, name)).name == model


def test_the_template_answers_and_fails_one_input_alone() -> None:
    model = _class_in("_python", "Example")()
    model.load()
    answered = model.predict(text="How many words are here?")
    assert (answered.words, answered.is_question) == (5, True)
    with pytest.raises(PredictionFailure):
        model.predict(text="  ")
