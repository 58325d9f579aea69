"""What the bot shows, in both languages, for predictions of every kind."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain.errors import InsufficientCredits, InvalidInput
from ml_service.domain.ledger import Balance, Kind, Transaction
from ml_service.domain.models import ListedModel, ModelSpec
from ml_service.domain.predictions import Prediction, PredictionError, Source, Status, new_id
from ml_service.messaging.queue import QueueDepth
from ml_service.usecases.workers import Overview
from services.bot.forms import WrongValue, fields_of, is_text_only, takes_text
from services.bot.phrases import LANGUAGES, Phrases, phrases
from services.bot.tables import NotATable, inputs_of_lines, inputs_of_table, text_of
from services.bot.views import answers, history, menus
from services.bot.views.view import View
from tests.nodes.telegram_rules import Screen, read_html

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EN, RU = phrases("en"), phrases("ru")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=12,
)


def prediction(status: Status = Status.SUCCEEDED, output: Any = None, **more: Any) -> Prediction:
    values: dict[str, Any] = {
        "id": new_id(), "user_id": new_id(), "model": "sentiment", "version": "1.0.0", "status": status,
        "input": '{"text":"Отличный сервис"}', "output": None if output is None else orjson.dumps(output).decode(),
        "error": None, "cost": 1, "source": Source.TELEGRAM, "batch_id": None, "worker_id": "worker-1", "attempts": 1,
        "predict_ms": 2.0, "deadline_at": None, "created_at": NOW, "started_at": NOW,
        "finished_at": NOW + timedelta(seconds=0.42) if status not in {Status.QUEUED, Status.PROCESSING} else None,
    }  # fmt: skip
    return Prediction(**values | more)


def shown(view: View) -> str:
    """What a person reads; holds that Telegram takes it."""
    fields = {"text": view.text, "parse_mode": "HTML"}
    if view.keyboard is not None:
        fields["reply_markup"] = view.keyboard.model_dump_json(exclude_none=True)
    assert Screen().refusal("sendMessage", fields) is None, view
    return read_html(view.text)[0]


SENTIMENT = {
    "label": "positive", "confidence": 0.931, "scores": {"positive": 0.931, "neutral": 0.05, "negative": 0.019},
}  # fmt: skip


def test_an_answer_is_laid_out() -> None:
    assert shown(answers.answer(RU, prediction(output=SENTIMENT))) == (
        "Отличный сервис\n\n"
        "🙂 положительный\n"
        "█████████░ 93,1 %\n"
        "░░░░░░░░░░ 5,0 %  😐 нейтральный\n"
        "░░░░░░░░░░ 1,9 %  🙁 отрицательный\n\n"
        "sentiment 1.0.0 · 0,4 с · 1 кредит"
    )
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
    assert "модель думала слишком долго" in shown(answers.answer(RU, prediction(Status.FAILED, error=timed_out)))


def test_accepted() -> None:
    id_ = new_id()
    accepted = answers.accepted(RU, id_, cost=1, balance=99, seconds=3)
    assert shown(accepted) == "⏳ Принято, ответ примерно через 3 секунды.\nЦена: 1 кредит, баланс: 99 кредитов."
    assert "Модель сейчас не запущена" in shown(answers.accepted(RU, id_, cost=1, balance=99, seconds=None))
    batch = answers.accepted(EN, id_, cost=2, balance=1, seconds=None, count=2)
    assert shown(batch) == "⏳ Accepted: 2 predictions.\nThey cost 2 credits; your balance is 1 credit."


def test_the_history_leads_back_and_forth() -> None:
    page = [prediction(output=SENTIMENT), prediction(Status.QUEUED, input='{"text":"' + "x" * 400 + '"}')]
    view = history.history(EN, page, wanted="all", page=1, more=True)
    assert "History, page 2" in shown(view)
    assert view.keyboard is not None
    data = [button.callback_data for row in view.keyboard.inline_keyboard for button in row]
    assert data[:2] == [f"open:{one.id.hex}:all:1" for one in page]
    assert data[2:] == ["history:all:0", "history:all:2"] + [f"history:{name}:0" for name in history.FILTERS]
    assert "nothing here" in shown(history.history(EN, [], wanted="open", page=0, more=False))


def test_balance_shows_what_moved() -> None:
    user = new_id()
    moved = [
        Transaction(number, kind, user, amount, None, None, NOW)
        for number, (kind, amount) in enumerate([(Kind.HOLD, 1), (Kind.GRANT, 100), (Kind.TRANSFER, -5)])
    ]
    text = shown(menus.balance(EN, "anna<", Balance(99, 1), moved))
    assert "Balance: 99 credits" in text
    assert "Account: anna<" in text
    assert "−1" in text
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
    assert "No worker" in shown(menus.models(EN, [], "m"))
    depth = QueueDepth(3, 0, 2, exists=True)
    assert "3 messages ready, 2 consumers" in shown(menus.admin(EN, Overview((), 5, 1), depth, 7, [("boom", 2)]))
    assert "does not answer" in shown(menus.admin(EN, Overview((), 5, 1), None, 7, []))
    poor = InsufficientCredits("…", balance=0, cost=5)
    assert menus.error(RU, poor) == "💸 Не хватает кредитов. Цена: 5 кредитов, баланс: 0 кредитов."
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
    assert (fields[1].parse("1"), fields[1].choice(0), fields[1].choices(EN)) == (1, "a", ["a", "1"])
    with pytest.raises(WrongValue):
        fields[1].choice(2)
    view = menus.form_field(EN, "m", fields[2], form="01234567", number=2, total=3)
    assert "field 3 of 3: note" in shown(view)
    assert takes_text(spec(text=dict(TEXT), n={"type": "integer"}))
    assert not is_text_only(spec(text=dict(TEXT), n={"type": "integer"}))
    assert not takes_text(spec(text=dict(TEXT), n={"type": "integer", "needed": True}))


def test_files_become_inputs() -> None:
    plain = spec(text=dict(TEXT))
    assert inputs_of_lines(" a \n\nb", plain) == [{"text": "a"}, {"text": "b"}]
    assert inputs_of_table('text;n\n"a;b";1\n', plain) == [{"text": "a;b"}]
    assert inputs_of_table("first\nsecond\n", plain) == [{"text": "first"}, {"text": "second"}]
    wide = spec(n={"type": "integer", "needed": True}, text={"type": "string"})
    assert inputs_of_table("text,n\na,1\n,x\n", wide) == [{"text": "a", "n": 1}, {"n": "x"}]
    for make in (inputs_of_lines, inputs_of_table):
        with pytest.raises(NotATable):
            make("a\nb", wide)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1251"):
        assert text_of("Привет, мир".encode(encoding)) == "Привет, мир"


def test_a_batchs_file_can_be_read_by_a_spreadsheet() -> None:
    failed = prediction(Status.FAILED, error=PredictionError("model_error", "no"), input='{"text":"=1+1"}')
    rows = [prediction(output=SENTIMENT), failed]
    content = answers.batch_file(rows).decode("utf-8-sig")
    table = list(csv.DictReader(io.StringIO(content)))
    assert [row["status"] for row in table] == ["succeeded", "failed"]
    assert (table[0]["label"], table[1]["input"], table[1]["error"]) == ("positive", "'=1+1", "no")
    summary = shown(answers.batch_summary(EN, rows))
    assert "1 of 2 succeeded" in summary
    assert "🙂 positive: 1" in summary


def test_phrases_are_made_once() -> None:
    assert isinstance(EN, Phrases)
    assert phrases("en") is EN
    assert phrases("xx").language == "en"
