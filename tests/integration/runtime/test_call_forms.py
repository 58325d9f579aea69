"""A model is called as its signature says: one input or a batch, typed or not, waiting for others or computing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelHost, context_of
from ml_service.runtime.model_answers import Failure, ModelAnswer, Postponed, Success
from tests.support.hosts import running

HEAD = """
import asyncio, dataclasses, datetime as dt, os, time
from typing import Annotated, Literal
from pydantic import BaseModel, Field
from ml_service.runtime.author import Context, Model, PredictionFailure, Retry

@dataclasses.dataclass
class Answer:
    said: str
    at: dt.date | None = None

class Question(BaseModel):
    text: Annotated[str, Field(min_length=1)]
    n: int = 3

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."
    timeout_s = TIMEOUT_S
"""

Make = Callable[..., ModelSource]


def model(body: str, timeout_s: float = 600.0) -> str:
    return HEAD.replace("TIMEOUT_S", str(timeout_s)) + "".join(f"    {line}\n" for line in body.strip().splitlines())


async def asked(host: ModelHost, *inputs: dict[str, Any], contexts: list[str] | None = None) -> list[ModelAnswer]:
    assert host.ready, host.error
    return await host.predict([json.dumps(one) for one in inputs], contexts=contexts)


def said(answer: ModelAnswer) -> Any:
    assert isinstance(answer, Success), answer
    return json.loads(answer.output_json)["said"]


async def test_fields_arrive_by_name_with_their_defaults(make_model: Make) -> None:
    body = """
def predict(self, text: str, n: int = 3, how: Literal["up", "down"] = "up", day: dt.date | None = None) -> Answer:
    return Answer(f"{text} {n} {how} {type(day).__name__}", day)
"""
    async with running(make_model(model(body))) as host:
        first, second = await asked(host, {"text": "a"}, {"text": "b", "n": 4, "how": "down", "day": "2026-01-31"})
    assert (said(first), said(second)) == ("a 3 up NoneType", "b 4 down date")
    assert isinstance(second, Success)
    assert json.loads(second.output_json)["at"] == "2026-01-31"


async def test_a_model_of_little_time_that_answers_each_input_within_it_is_not_killed(make_model: Make) -> None:
    body = """
def predict(self, text: str) -> Answer:
    time.sleep(0.01)
    return Answer(text)
"""
    async with running(make_model(model(body, timeout_s=0.1))) as host:
        for _ in range(5):  # where the machine is busy its process may really be late
            pid = host.pid
            answers = await asked(host, *[{"text": str(number)} for number in range(40)])
            assert [said(answer) for answer in answers] == [str(number) for number in range(40)]
            if host.pid == pid:
                return
            await host.wait_ready()
    raise AssertionError("its process is killed each time")


async def test_bytes_are_base64_in_and_out_and_numpy_is_converted(make_model: Make) -> None:
    body = """
def predict(self, data: bytes, more: list[bytes] | None = None) -> Bytes:
    import numpy
    return Bytes(data[::-1], numpy.int64(len(more or [])), numpy.arange(2.0))
"""
    kind = "@dataclasses.dataclass\nclass Bytes:\n    said: bytes\n    n: int\n    v: list[float]\n\nclass Mine(Model)"
    async with running(make_model(model(body).replace("class Mine(Model)", kind))) as host:
        fine, bad = await asked(host, {"data": "+/8=", "more": ["aGk="]}, {"data": "no base64!"})
        assert isinstance(fine, Success)
        assert json.loads(fine.output_json) == {"said": "//s=", "n": 1, "v": [0.0, 1.0]}
        assert isinstance(bad, Failure)
        assert bad.code == "input_rejected"
        assert host.spec.output_schema["properties"]["said"] == {"type": "string", "contentEncoding": "base64"}


async def test_an_input_that_no_type_fits_fails_alone_and_says_where(make_model: Make) -> None:
    body = """
def predict(self, inputs: list[Question]) -> list[Answer | PredictionFailure]:
    return [Answer(f"{one.text} {one.n} of {len(inputs)}") for one in inputs]
"""
    async with running(make_model(model(body))) as host:
        first, bad, last = await asked(host, {"text": "a"}, {"text": ""}, {"text": "c", "n": 5})
    assert (said(first), said(last)) == ("a 3 of 2", "c 5 of 2")
    assert isinstance(bad, Failure)
    assert bad.code == "input_rejected"
    assert bad.message == "The input does not fit: text: String should have at least 1 character."


async def test_a_guilty_input_fails_alone_where_inputs_are_answered_one_at_a_time(make_model: Make) -> None:
    body = """
def predict(self, text: str) -> Answer:
    if text == "raise":
        raise ValueError("secret")
    if text == "reject":
        raise PredictionFailure("Not this one.")
    if text == "exit":
        os._exit(3)
    return Answer(text)
"""
    words = ["a", "raise", "b", "reject", "c", "exit", "d"]
    async with running(make_model(model(body))) as host:
        answers = await asked(host, *({"text": word} for word in words))
    codes = {word: one.code for word, one in zip(words, answers, strict=True) if isinstance(one, Failure)}
    assert codes == {"raise": "model_error", "reject": "input_rejected", "exit": "model_crashed"}
    assert [said(one) for one in answers if isinstance(one, Success)] == ["a", "b", "c", "d"]


async def test_a_model_that_takes_one_input_has_its_time_for_each(make_model: Make) -> None:
    body = """
def predict(self, text: str) -> Answer:
    time.sleep(1.5)
    return Answer(text)
"""
    async with running(make_model(model(body, timeout_s=4.0))) as host:
        answers = await asked(host, *[{"text": "a"}] * 3)  # 4.5 s in all, of 4.0 s for each
        assert [said(one) for one in answers] == ["a"] * 3
        assert host.deaths == 0


async def test_a_model_that_loads_asynchronously_may_take_whole_batches(make_model: Make) -> None:
    body = """
async def load(self):
    self.ready = "yes"

def predict(self, inputs: list[Question]) -> list[Answer]:
    return [Answer(f"{one.text} {self.ready}") for one in inputs]
"""
    async with running(make_model(model(body))) as host:
        assert [said(one) for one in await asked(host, {"text": "a"}, {"text": "b"})] == ["a yes", "b yes"]


async def test_inputs_of_an_async_model_run_concurrently_and_once_each(make_model: Make) -> None:
    body = """
async def load(self):
    self.calls = 0
    self.all_are_here = asyncio.Event()

async def predict(self, text: str) -> Answer:
    self.calls += 1
    if self.calls == 30:
        self.all_are_here.set()
    if text == "raise":
        raise ValueError("secret")
    if text == "late":
        await asyncio.sleep(60)
    await self.all_are_here.wait()
    return Answer(str(self.calls))
"""
    async with running(make_model(model(body, timeout_s=5.0))) as host:
        answers = await asked(host, *[{"text": "a"}] * 29, {"text": "raise"})
        assert [said(one) for one in answers[:29]] == ["30"] * 29, "none ends before the last one has begun"
        late, raised, fine = await asked(host, {"text": "late"}, {"text": "raise"}, {"text": "a"})
        assert [one.code for one in (late, raised) if isinstance(one, Failure)] == ["model_timeout", "model_error"]
        assert said(fine) == "33", "nothing was asked twice"
        assert host.deaths == 0


async def test_answers_of_a_model_that_waits_are_handed_out_as_they_come(make_model: Make) -> None:
    body = """
async def predict(self, text: str) -> Answer:
    await asyncio.sleep(float(text))
    return Answer(text)
"""
    handed: list[int] = []

    async def on_answers(pairs: list[tuple[int, ModelAnswer]]) -> None:
        handed.extend(place for place, _ in pairs)

    async with running(make_model(model(body))) as host:
        assert host.ready, host.error
        answers = await host.predict([json.dumps({"text": wait}) for wait in ("0.6", "0", "0.3")], on_answers)
    assert handed == [1, 2, 0]
    assert [said(one) for one in answers] == ["0.6", "0", "0.3"]


async def test_a_model_that_waits_and_blocks_or_ends_its_process_loses_that_input_alone(make_model: Make) -> None:
    body = """
async def predict(self, text: str) -> Answer:
    if text == "block":
        time.sleep(60)
    if text == "exit":
        os._exit(3)
    return Answer(text)
"""
    async with running(make_model(model(body, timeout_s=3.0))) as host:
        answers = await asked(host, {"text": "a"}, {"text": "block"}, {"text": "exit"}, {"text": "b"})
    assert [one.code if isinstance(one, Failure) else said(one) for one in answers] == [
        *("a", "model_timeout", "model_crashed", "b"),
    ]


async def test_the_context_is_given_to_a_model_that_asks_for_it(make_model: Make) -> None:
    one = """
def predict(self, text: str, context: Context) -> Answer:
    return Answer(f"{text} {context.prediction_id} {context.user} {context.attempt} {context.deadline}")
"""
    batch = """
def predict(self, inputs: list[Question], about: list[Context]) -> list[Answer]:
    return [Answer(f"{one.text} {context.user}") for one, context in zip(inputs, about, strict=True)]
"""
    contexts = [context_of("id-1", "user-1"), context_of("id-2", "user-2", 2, "2026-01-31T12:00:00+00:00")]
    async with running(make_model(model(one))) as host:
        answers = await asked(host, {"text": "a"}, {"text": "b"}, contexts=contexts)
        assert [said(each) for each in answers] == [
            *("a id-1 user-1 1 None", "b id-2 user-2 2 2026-01-31 12:00:00+00:00")
        ]
        (alone,) = await asked(host, {"text": "c"})
        assert said(alone).endswith(" nobody 1 None"), "as a model is tried without a service"
    async with running(make_model(model(batch))) as host:
        answers = await asked(host, {"text": ""}, {"text": "b"}, contexts=contexts)
        assert said(answers[1]) == "b user-2", "the contexts of inputs that do not fit are left out with them"


async def test_a_later_attempt_may_be_asked_for_one_input_or_for_the_whole_batch(make_model: Make) -> None:
    body = """
input_schema = {"type": "object"}
output_schema = {"type": "object"}

def predict(self, inputs):
    if any(one["text"] == "all" for one in inputs):
        raise Retry(7)
    return [Retry(5.5) if one["text"] == "wait" else {"said": one["text"]} for one in inputs]
"""
    async with running(make_model(model(body))) as host:
        fine, wait = await asked(host, {"text": "a"}, {"text": "wait"})
        assert said(fine) == "a"
        assert isinstance(wait, Postponed)
        assert wait.after_s == 5.5
        answers = await asked(host, {"text": "a"}, {"text": "all"}, {"text": "b"})
    assert [one.after_s for one in answers if isinstance(one, Postponed)] == [7, 7, 7]


async def test_the_defaults_of_a_schema_by_hand_are_filled_in(make_model: Make) -> None:
    body = """
input_schema = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "tags": {"type": "array", "default": ["x"], "items": {"type": "string"}},
        "how": {"$ref": "#/$defs/How", "default": {}},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/How"}},
    },
    "$defs": {"How": {"type": "object", "properties": {"deep": {"type": "integer", "default": 1}}}},
}
output_schema = {"type": "object"}

def predict(self, inputs):
    said = [{"said": dict(one, tags=list(one["tags"]))} for one in inputs]
    for one in inputs:
        one["tags"].append("spoiled")
    return said
"""
    async with running(make_model(model(body))) as host:
        for _ in range(2):
            bare, full = await asked(
                host, {"text": "a"}, {"text": "b", "tags": [], "how": {"deep": 2}, "rows": [{}, {"deep": 3}]}
            )
            assert said(bare) == {"text": "a", "tags": ["x"], "how": {"deep": 1}}
            assert said(full) == {"text": "b", "tags": [], "how": {"deep": 2}, "rows": [{"deep": 1}, {"deep": 3}]}


async def test_a_model_may_choose_its_predict_while_it_loads(make_model: Make) -> None:
    body = """
input_schema = output_schema = {"type": "object"}

def load(self):
    self.predict = self.quickly

def quickly(self, inputs):
    return [{"said": "quickly"} for one in inputs]

def predict(self, inputs):
    return [{"said": "slowly"} for one in inputs]
"""
    async with running(make_model(model(body))) as host:
        (answer,) = await asked(host, {"text": "a"})
    assert said(answer) == "quickly"


async def test_a_signature_that_makes_no_schema_is_said_as_the_reason(make_model: Make) -> None:
    async with running(make_model(model("def predict(self, text: str) -> str:\n    return text"))) as host:
        assert host.state == "failed"
        assert "predict must return a pydantic model or a dataclass, an object in JSON." in host.error


async def test_the_model_in_the_documentation_works_as_written(make_model: Make) -> None:
    text = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    code = text.partition("```python\n# models/example/model.py\n")[2].partition("```")[0]
    async with running(make_model(code, "example")) as host:
        inputs = (
            {"text": "How many words are here?"},
            {"text": "abc", "unit": "characters", "times": 2},
            {"text": " "},
        )
        words, characters, empty = await asked(host, *inputs)
    assert isinstance(words, Success)
    assert json.loads(words.output_json) == {"words": 5, "is_question": True}
    assert isinstance(characters, Success)
    assert json.loads(characters.output_json) == {"words": 6, "is_question": False}
    assert isinstance(empty, Failure)
    assert empty.message == "The text is empty."
