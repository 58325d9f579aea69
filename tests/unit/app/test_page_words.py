"""The page has words for what the service says by texts and codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ml_service.domain.webhooks import DeliveryFailure, FailureCode
from ml_service.runtime.author import Model
from ml_service.runtime.bundled.echo.model import Echo
from ml_service.runtime.bundled.embedding.model import Embedding
from ml_service.runtime.bundled.embedding_e5.model import EmbeddingE5
from ml_service.runtime.bundled.file_type.model import FileType
from ml_service.runtime.bundled.language.model import Language
from ml_service.runtime.bundled.sentiment.model import Sentiment
from ml_service.runtime.bundled.sentiment_fast.model import SentimentFast

I18N = Path(__file__).parents[3] / "services" / "app" / "web" / "i18n"
WORDS = I18N / "ru" / "models.js"
DRAWN = {"label", "language", "confidence", "scores", "alternatives"}
"""What a label is drawn of; the answer's other parts stand below it by their names."""
BUNDLED: list[type[Model]] = [Echo, Embedding, EmbeddingE5, FileType, Language, Sentiment, SentimentFast]


def _known() -> set[str]:
    return {json.loads(found) for found in re.findall(r'^  ("(?:[^"\\]|\\.)*"):', WORDS.read_text(), re.MULTILINE)}


def test_the_page_translates_what_each_bundled_model_says_and_nothing_else() -> None:
    said = {text for model in BUNDLED for text in _texts(model)}
    assert _known() == said


def _texts(model: type[Model]) -> list[str]:
    fields = model.input_schema["properties"]
    # The page has a phrase for `text` itself, and makes labels of other names as lib/schema.js does.
    beside = {*model.output_schema["properties"]} - DRAWN if model.output_schema.get("x-view") == "label" else set()
    labels = [name.replace("_", " ").capitalize() for name in {*fields, *beside} if name != "text"]
    choices = [value for field in fields.values() for value in field.get("enum", ())]
    return [*(field["description"] for field in fields.values()), *labels, *choices]


def test_each_reason_why_a_webhook_was_not_reached_has_its_phrase() -> None:
    for language in ("en", "ru"):
        phrases = (I18N / language / "webhooks.js").read_text()
        codes = set(re.findall(r'^  "webhooks\.failure\.(\w+)":', phrases, re.MULTILINE))
        assert codes == set(FailureCode)
    assert all("{" not in str(DeliveryFailure(code, "500")) for code in FailureCode)
