"""What the bot shows, in both languages, for predictions of every kind."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain.errors import InsufficientCredits, InvalidInput
from ml_service.domain.fields import WrongValue, fields_of, is_text_only, plain_field, takes_text
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import Balance, Kind
from ml_service.domain.models import ListedModel, ModelSpec
from ml_service.domain.predictions import PredictionError, Status
from ml_service.messaging.queue import QueueDepth
from ml_service.storage.balance_changes import BalanceChange
from ml_service.storage.history_pages import Entry
from ml_service.usecases.telegram import HistoryPage
from ml_service.usecases.workers import Overview
from services.bot.forms import choices
from services.bot.phrases import LANGUAGES, Phrases, phrases
from services.bot.views import answers, files, history, menus, notices
from tests.support.bot_views import EN, NOW, RU, SENTIMENT, erased, prediction, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=12,
)


def test_an_answer_is_laid_out() -> None:
    assert shown(answers.answer(RU, prediction(output=SENTIMENT))) == (
        "Отличный сервис\n\n"
        "🙂 положительный\n"
        "█████████░ 93,1\xa0%\n"
        "░░░░░░░░░░ 5,0\xa0%  😐 нейтральный\n"
        "░░░░░░░░░░ 1,9\xa0%  🙁 отрицательный\n\n"
        "sentiment 1.0.0 · 0,4\xa0с · 1 кредит"
    )
    quick = prediction(output=SENTIMENT, finished_at=NOW + timedelta(seconds=0.01))
    assert "sentiment 1.0.0 · <0.1\xa0s · 1 credit" in shown(answers.answer(EN, quick))
    assert "🙂 positive" in shown(answers.answer(EN, prediction(output=SENTIMENT)))


@pytest.mark.parametrize("language", LANGUAGES)
@given(JSON)
def test_whatever_a_model_says_can_be_shown(language: str, output: Any) -> None:
    shown(answers.answer(phrases(language), prediction(output={"value": output})))
    shown(answers.answer(phrases(language), prediction(output=output if isinstance(output, dict) else {})))


@pytest.mark.parametrize("output", [{"label": "<b>" * 500}, {"text": "&" * 5000}, {"scores": {"a" * 99: 0.5}}, {}])
def test_long_and_odd_outputs_can_be_shown(output: dict[str, Any]) -> None:
    shown(answers.answer(EN, prediction(output=output, input=orjson.dumps({"text": "<" * 5000}).decode())))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_its_words_and_its_button(language: str) -> None:
    t = phrases(language)
    for status in Status:
        error = PredictionError("model_error", "no <b>luck") if status is Status.FAILED else None
        view = answers.answer(t, prediction(status, {} if status is Status.SUCCEEDED else None, error=error))
        text = shown(view)
        assert view.keyboard is not None
        (button,) = view.keyboard.inline_keyboard[0]
        ended = status not in {Status.QUEUED, Status.PROCESSING}
        assert (button.callback_data or "").startswith("again:" if ended else "cancel:")
        if status is Status.FAILED:
            assert "no <b>luck" in text
    timed_out = PredictionError("model_timeout", "The model took longer than 30 s.")
    assert "не уложилась в отведённое время" in shown(answers.answer(RU, prediction(Status.FAILED, error=timed_out)))


@pytest.mark.parametrize(
    ("language", "words"), [("en", "The text is no longer kept"), ("ru", "Текст больше не хранится")]
)
def test_what_is_no_longer_kept_is_said_and_is_not_asked_again(language: str, words: str) -> None:
    t = phrases(language)
    for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED):
        view = answers.answer(t, erased(status), back="history:all:0:")
        text = shown(view)
        assert text.startswith(f"{words}\n\n")
        assert "null" not in text
        assert language == "en" or "kept" not in text
        assert "<blockquote>" not in view.text
        assert view.keyboard is not None
        assert [len(row) for row in view.keyboard.inline_keyboard] == [1]  # back
        assert answers.answer(t, erased(status)).keyboard is None
    entries = [Entry(erased(status), 0, 0, 0) for status in (Status.SUCCEEDED, Status.FAILED)]
    page = history.history(t, HistoryPage(entries, None, None), wanted="all", page=0)
    assert shown(page).count(words) == 2
    assert page.keyboard is not None
    assert "null" not in page.text + page.keyboard.model_dump_json(exclude_none=True)


def test_accepted() -> None:
    id_ = new_id()
    accepted = answers.accepted(RU, id_, cost=1, balance=99, seconds=3)
    assert shown(accepted) == "⏳ Принято. Ответ придёт примерно через 3 секунды.\nЦена: 1 кредит · баланс: 99 кредитов"
    assert "about 5 minutes" in shown(answers.accepted(EN, id_, cost=1, balance=99, seconds=298))
    assert "Модель сейчас не запущена" in shown(answers.accepted(RU, id_, cost=1, balance=99, seconds=None))
    batch = answers.accepted_batch(EN, id_, cost=2, balance=1, count=2)
    assert shown(batch).startswith("⏳ Got it: 2 predictions.")
    assert batch.keyboard is not None
    assert batch.keyboard.inline_keyboard[0][0].callback_data == f"cancelbatch:{id_.hex}"


def test_the_history_leads_back_and_forth() -> None:
    found = [prediction(output=SENTIMENT), prediction(Status.QUEUED, input='{"text":"' + "x" * 400 + '"}')]
    whole = prediction(output=SENTIMENT, batch_id=new_id())
    page = [*(Entry(one, 0, 0, 0) for one in found), Entry(whole, 100, 98, 0)]
    view = history.history(EN, HistoryPage(page, found[0].id, whole.id), wanted="all", page=1)
    assert "📦 23.11 12:00 UTC Batch: 98 of 100 succeeded" in shown(view)
    assert "History, page 2" in shown(view)
    assert view.keyboard is not None
    data = [button.callback_data for row in view.keyboard.inline_keyboard for button in row]
    first, last = history.short(found[0].id), history.short(whole.id)
    assert data[:2] == [f"open:{history.short(one.id)}:all:1:{first}" for one in found]
    assert whole.batch_id is not None
    assert data[2] == f"openb:{history.short(whole.batch_id)}:all:1:{first}"
    assert data[3:5] == [f"history:all:0:n{first}", f"history:all:2:o{last}"]
    assert data[5:] == [f"history:{name}:0:" for name in history.FILTERS]
    assert history.long(first) == found[0].id
    empty = HistoryPage([], None, None)
    assert "nothing here" in shown(history.history(EN, empty, wanted="open", page=0))
    view = history.history(EN, HistoryPage([], None, whole.id), wanted="open", page=0)
    assert "Nothing found in this part" in shown(view)
    assert view.keyboard is not None
    assert view.keyboard.inline_keyboard[0][0].callback_data == f"history:open:1:o{last}"


def test_balance_shows_what_moved() -> None:
    moved = [
        BalanceChange(kind, change, count, NOW)
        for kind, change, count in [(Kind.HOLD, -100, 100), (Kind.GRANT, 100, 1), (Kind.TRANSFER, -5, 1)]
    ]
    text = shown(menus.balance(EN, "anna<", Balance(99, 1), moved))
    assert "Balance: 99 credits" in text
    assert "Account: anna<" in text
    assert "23.11 12:00 UTC · prediction, 100 times · −100" in text
    assert "+100" in text
    assert "−5" in text


def spec(**properties: Any) -> ModelSpec:
    required = [name for name, schema in properties.items() if schema.pop("needed", False)]
    schema = {"type": "object", "properties": properties, "required": required}
    return ModelSpec("m", "1", "Says <it>.", 1, schema, {})


TEXT = {"type": "string", "needed": True}


def test_models_and_admin_and_errors_can_be_shown() -> None:
    listed = ListedModel(spec(text=dict(TEXT)), 2, is_live=True, workers=1, announced_at=NOW)
    assert "Says <it>." in shown(menus.models(EN, [listed], "m"))
    assert "No models" in shown(menus.models(EN, [], "m"))
    depth = QueueDepth(3, 0, 2, exists=True)
    assert "3 messages ready, 2 consumers" in shown(menus.admin(EN, Overview((), 5, 1), depth, 7, [("boom", 2)]))
    assert "does not answer" in shown(menus.admin(EN, Overview((), 5, 1), None, 7, []))
    poor = InsufficientCredits("…", balance=0, cost=5)
    assert menus.error(RU, poor) == "💸 Не хватает кредитов. Цена: 5 кредитов · баланс: 0 кредитов"
    wrong = InvalidInput("The input is not valid.", errors=[{"location": "input", "message": "<x> is too long"}])
    assert "&lt;x&gt; is too long" in menus.error(EN, wrong)


def test_a_form_asks_what_the_schema_says() -> None:
    fields = fields_of(
        spec(note={"type": "string"}, n={"type": "integer", "needed": True}, c={"enum": ["a", 1], "needed": True})
    )
    assert [(field.name, field.required) for field in fields] == [("n", True), ("c", True), ("note", False)]
    assert fields[0].parse(" 7 ") == 7
    for wrong in ("7.5", "x", "inf", "1e400", "nan"):
        with pytest.raises(WrongValue):
            fields[0].parse(wrong)
    assert (fields[1].parse("1"), fields[1].choice(0), choices(EN, fields[1])) == (1, "a", ["a", "1"])
    with pytest.raises(WrongValue):
        fields[1].choice(2)
    view = menus.form_field(EN, "m", fields[2], form="01234567", number=2, total=3)
    assert "field 3 of 3: note" in shown(view)
    assert takes_text(spec(text=dict(TEXT), n={"type": "integer"}))
    assert not is_text_only(spec(text=dict(TEXT), n={"type": "integer"}))
    assert not takes_text(spec(text=dict(TEXT), n={"type": "integer", "needed": True}))


def test_a_text_or_a_file_without_a_name_is_for_the_only_field_that_is_needed() -> None:
    file = {"type": "string", "contentEncoding": "base64", "maxLength": 400, "needed": True}
    for properties, expected in (
        ({"prompt": dict(TEXT), "temperature": {"type": "number"}}, "prompt"),
        ({"text": {"type": "string"}, "n": {"type": "integer"}}, "text"),
        ({"note": {"type": "string"}}, "note"),
        ({"content": dict(file)}, "content"),
        ({"prompt": dict(TEXT), "n": {"type": "integer", "needed": True}}, None),
        ({"color": {"type": "string", "enum": ["red"], "needed": True}}, None),
        ({"n": {"type": "integer", "needed": True}}, None),
        ({}, None),
    ):
        field = plain_field(spec(**properties))
        assert (field and field.name) == expected, properties
    field = plain_field(spec(content=dict(file)))
    assert field is not None
    assert (field.is_file, field.chars_max) == (True, 400)
    assert "Send a file or a picture." in shown(menus.form_field(EN, "m", field, form="01234567", number=0, total=1))


def test_a_vector_and_a_file_are_not_written_out() -> None:
    content = base64.b64encode(bytes(3000)).decode()
    text = shown(answers.answer(RU, prediction(output={"v": [0.5] * 512}, input=f'{{"content":"{content}"}}')))
    assert "📎 файл, 3\xa0КБ" in text
    assert "📎 file, 0.1\xa0KB" in shown(answers.answer(EN, prediction(input=f'{{"content":"{content[:24]}"}}')))
    assert "v: [0.5, 0.5, 0.5, 0.5, … ] (чисел: 512)" in text
    assert "tea?" in shown(answers.answer(EN, prediction(output={"n": 1}, input='{"prompt":"tea?"}'))).splitlines()


def test_what_a_text_names_is_listed_by_its_kind() -> None:
    words = [
        ("person", "Анна <b>"),
        ("place", "Нижний\nНовгород"),
        ("person", "Иван"),
        ("person", "Иван"),
        ("tax", "НДС"),
    ]
    entities = [{"type": kind, "text": text, "start": 0, "end": 4} for kind, text in words]
    assert shown(answers.answer(RU, prediction(output={"entities": entities, "n": 1}))).splitlines()[2:6] == [
        "👤 Люди: Анна <b>, Иван",
        "📍 Места: Нижний Новгород",
        "tax: НДС",
        "n: 1",
    ]
    assert "👤 People: Анна <b>, Иван\n" in shown(answers.answer(EN, prediction(output={"entities": entities})))
    many = [{"type": "place", "text": f"Город {number}", "start": 0, "end": 4} for number in range(99)]
    assert answers.answer(RU, prediction(output={"entities": many})).is_cut


@pytest.mark.parametrize(("t", "words"), [(EN, "Nothing found."), (RU, "Ничего не нашлось.")])
def test_an_answer_without_anything_in_it_says_so(t: Phrases, words: str) -> None:
    assert shown(answers.answer(t, prediction(output={"entities": []}))).splitlines()[2] == words


def test_a_long_output_is_said_to_be_cut_and_a_file_has_all_of_it() -> None:
    vector = {"embedding": [number / 7 for number in range(512)]}
    for output in (vector, {"a": "x" * 601}, {str(number): number for number in range(20)}):
        view = answers.answer(EN, prediction(output=output))
        assert view.is_cut
        assert "all of it is in the file" in shown(view)
        assert orjson.loads(files.output(EN, prediction(output=output))[1]) == output
    assert not answers.answer(EN, prediction(output=SENTIMENT)).is_cut


def test_a_language_is_named_in_words() -> None:
    output = {
        "language": "ru", "confidence": 0.5,
        "alternatives": [{"language": "bg", "confidence": 0.3}, {"language": "xx", "confidence": 0.1}],
    }  # fmt: skip
    text = shown(answers.answer(RU, prediction(output=output)))
    assert text.splitlines()[2:6] == [
        "русский",
        "█████░░░░░ 50,0\xa0%",
        "███░░░░░░░ 30,0\xa0%  болгарский",
        "█░░░░░░░░░ 10,0\xa0%  xx",
    ]


def test_phrases_are_made_once() -> None:
    assert isinstance(EN, Phrases)
    assert phrases("en") is EN
    assert phrases("xx").language == "en"


@pytest.mark.parametrize(("t", "why"), [(EN, "failed for days"), (RU, "несколько дней")])
def test_a_webhook_that_was_switched_off_is_named_with_the_reason(t: Phrases, why: str) -> None:
    data = '{"url": "https://example.com/<hooks>?a=1&b=2", "reason": "failing"}'
    text = shown(notices.notice(t, "webhook.disabled", data))
    assert "https://example.com/<hooks>?a=1&b=2" in text
    assert why in text
    gone = shown(notices.notice(t, "webhook.disabled", data.replace("failing", "gone")))
    assert gone != text
