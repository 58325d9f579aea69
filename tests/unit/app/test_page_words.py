"""The page has words for what the service says by texts and codes."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from ml_service.domain.webhooks import DeliveryFailure, FailureCode
from ml_service.runtime.author import Model
from ml_service.runtime.bundled.echo.model import Echo
from ml_service.runtime.bundled.embedding.model import Embedding
from ml_service.runtime.bundled.embedding_e5.model import EmbeddingE5
from ml_service.runtime.bundled.entities_ru.model import EntitiesRu
from ml_service.runtime.bundled.file_type.model import FileType
from ml_service.runtime.bundled.language.model import Language
from ml_service.runtime.bundled.sentiment.model import Sentiment
from ml_service.runtime.bundled.sentiment_fast.model import SentimentFast

ROOT = Path(__file__).parents[3]
I18N = ROOT / "services" / "app" / "web" / "i18n"
FORMS = ("domain/users", "domain/webhooks", "usecases/admin", "usecases/api_keys", "usecases/webhooks")
"""Where the rules are that people's forms may break."""
DRAWN = {"label", "language", "confidence", "scores", "alternatives"}
"""What a label is drawn of; the answer's other parts stand below it by their names."""
BUNDLED: list[type[Model]] = [Echo, Embedding, EmbeddingE5, EntitiesRu, FileType, Language, Sentiment, SentimentFast]


def _known(name: str) -> set[str]:
    text = (I18N / "ru" / name).read_text()
    return {json.loads(found) for found in re.findall(r'^  ("(?:[^"\\]|\\.)*"):', text, re.MULTILINE)}


def test_the_page_translates_what_each_bundled_model_says_and_nothing_else() -> None:
    said = {text for model in BUNDLED for text in _texts(model)}
    assert _known("models.js") == said


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


def test_the_page_translates_what_the_service_says_is_wrong_with_a_form_and_nothing_else() -> None:
    said = {text for form in FORMS for text in _refusals((ROOT / "ml_service" / f"{form}.py").read_text())}
    assert _known("refusals.js") == said


def _refusals(code: str) -> set[str]:
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case (
                ast.Call(func=ast.Name("_invalid"), args=[_, words])
                | ast.Call(func=ast.Name("InvalidInput"), args=[words, *_])
            ):
                found.append(words)
            case ast.Assign(targets=[ast.Name("message")], value=words):
                found.append(words)
            case ast.FunctionDef(name=name) if name.startswith("_wrong"):
                found += [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
    return {text for each in found if (text := _shape(each))}


def _shape(words: ast.expr | None) -> str | None:
    """A sentence with # for each number, as the page looks it up; None: it is made elsewhere."""
    match words:
        case ast.Constant(str(text)):
            return re.sub(r"\d+", "#", text)
        case ast.JoinedStr(parts):
            texts = [str(part.value) if isinstance(part, ast.Constant) else "0" for part in parts]
            return re.sub(r"\d+", "#", "".join(texts))
    return None
