"""Whatever one input does to the model, that input fails alone and its neighbours are answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from ml_service.runtime.host import batch_run
from ml_service.runtime.host.batch_run import BatchRun
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import BatchStopped, ModelHost, ModelLimits
from ml_service.runtime.model_answers import Failure, ModelAnswer, Success
from tests.support.hosts import QUICK, running, troublesome
from tests.support.waiting import PATIENCE_S, until


def texts(*words: str) -> list[str]:
    return [json.dumps({"text": word}) for word in words]


def code_of(answer: ModelAnswer) -> str:
    return answer.code if isinstance(answer, Failure) else "success"


def output_of(answer: ModelAnswer) -> Any:
    assert isinstance(answer, Success), answer
    return json.loads(answer.output_json)["text"]


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        ("!segfault", "model_crashed"),
        ("!abort", "model_crashed"),
        ("!exit", "model_crashed"),
        ("!kill", "model_crashed"),
        ("!close-all", "model_crashed"),
        ("!eat", "model_out_of_memory"),
        ("!raise", "model_error"),
        ("!sys-exit", "model_error"),
        ("!drop", "output_invalid"),
        ("!nan", "output_invalid"),
        ("!set", "output_invalid"),
        ("!list", "output_invalid"),
        ("!none", "output_invalid"),
        ("!surrogate", "output_invalid"),
        ("!nul", "output_invalid"),
        ("!big", "output_invalid"),
        ("!return-error", "model_error"),
        ("!reject", "input_rejected"),
        ("!return-reject", "input_rejected"),
    ],
)
async def test_of_64_inputs_with_one_poison_the_other_63_are_answered(host: ModelHost, deed: str, code: str) -> None:
    words = [f"word {place}" for place in range(64)]
    words[37] = deed
    answers = await host.predict(texts(*words))
    assert {37: code} == {at: code_of(each) for at, each in enumerate(answers) if isinstance(each, Failure)}
    assert [word for word in words if word != deed] == [
        output_of(each) for each in answers if isinstance(each, Success)
    ]


@pytest.mark.parametrize("deed", ["!exit", "!eat", "!raise", "!reject", "!nan"])
async def test_a_poison_alone_in_its_batch_fails_and_the_next_batch_is_answered(host: ModelHost, deed: str) -> None:
    (failed,) = await host.predict(texts(deed))
    (answered,) = await host.predict(texts("next"))
    assert isinstance(failed, Failure)
    assert output_of(answered) == "next"


@pytest.mark.parametrize("deed", ["!hang", "!spin"])
async def test_of_64_inputs_with_one_that_hangs_the_other_63_are_answered(hasty: ModelHost, deed: str) -> None:
    words = [f"word {place}" for place in range(64)]
    words[37] = deed
    answers = await hasty.predict(texts(*words))
    assert {at: code_of(each) for at, each in enumerate(answers) if isinstance(each, Failure)} == {37: "model_timeout"}
    (answer,) = await hasty.predict(texts("next"))
    assert output_of(answer) == "next"


async def test_one_that_hangs_alone_is_not_tried_again(hasty: ModelHost) -> None:
    started = time.monotonic()
    with structlog.testing.capture_logs() as logs:
        (answer,) = await hasty.predict(texts("!hang"))
    assert code_of(answer) == "model_timeout"
    assert time.monotonic() - started >= 0.5
    assert [entry["event"] for entry in logs].count("model_process_failed_on_inputs") == 1


async def test_several_poisons_of_several_kinds_each_fail_alone(hasty: ModelHost) -> None:
    words = [f"word {place}" for place in range(32)]
    for place, deed in {0: "!exit", 9: "!raise", 10: "!segfault", 31: "!hang"}.items():
        words[place] = deed
    answers = await hasty.predict(texts(*words))
    failed = {at: code_of(each) for at, each in enumerate(answers) if isinstance(each, Failure)}
    assert failed == {0: "model_crashed", 9: "model_error", 10: "model_crashed", 31: "model_timeout"}


async def test_an_input_that_was_there_when_somebody_killed_the_process_is_answered(
    host: ModelHost, tmp_path: Path
) -> None:
    once = json.dumps({"text": "!once", "mark": str(tmp_path / "mark")})
    (answer,) = await host.predict([once])
    assert output_of(answer) == "!once"


async def test_finished_parts_are_handed_out_at_once_and_each_answer_exactly_once(host: ModelHost) -> None:
    handed: list[list[int]] = []

    async def on_answers(pairs: list[tuple[int, ModelAnswer]]) -> None:
        handed.append([place for place, _ in pairs])

    words = ["word"] * 64
    words[5] = "!exit"
    answers = await host.predict(texts(*words), on_answers)
    assert handed[0] == list(range(32, 64)), "the innocent half comes first"
    assert sorted(place for part in handed for place in part) == list(range(64))
    assert len(answers) == 64


async def test_usually_all_answers_are_handed_out_in_one_call(host: ModelHost) -> None:
    calls = []

    async def on_answers(pairs: list[tuple[int, ModelAnswer]]) -> None:
        calls.append(len(pairs))

    await host.predict(texts(*["word"] * 64), on_answers)
    assert calls == [64]


async def test_an_exception_of_on_answers_ends_the_batch_but_not_the_host(host: ModelHost) -> None:
    async def on_answers(_pairs: list[tuple[int, ModelAnswer]]) -> None:
        raise ConnectionError

    words = ["word"] * 16
    words[3] = "!exit"
    with pytest.raises(ConnectionError):
        await host.predict(texts(*words), on_answers)
    (answer,) = await host.predict(texts("next"))
    assert output_of(answer) == "next"


async def test_a_spare_process_is_kept_only_while_a_batch_is_isolated(host: ModelHost) -> None:
    assert len(host.pids) == 1

    async def on_answers(_pairs: list[tuple[int, ModelAnswer]]) -> None:
        await until(lambda: len(host.pids) == 2)

    words = ["word"] * 16
    words[15] = "!exit"
    await host.predict(texts(*words), on_answers)
    await until(lambda: len(host.pids) == 1)


async def test_isolation_is_bounded_and_then_the_rest_fails(make_model: Callable[..., ModelSource]) -> None:
    patient = troublesome().path.read_text().replace("timeout_s = 5.0", "timeout_s = 600.0")
    limits = ModelLimits(isolation_s_min=1, isolation_s_max=1)
    async with running(make_model(patient, "troublesome"), limits) as host, asyncio.timeout(PATIENCE_S):
        assert host.spec.timeout_s == 600
        answers = await host.predict(texts("!exit", *["!hang"] * 63))
    assert {code_of(each) for each in answers} <= {"model_crashed", "model_timeout"}


@pytest.fixture
def slow_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each call of a model seem to take 4 s to its host."""
    receive, clock = BatchRun._receive, [0.0]

    async def slowly(*args: Any) -> Any:
        received = await receive(*args)
        clock[0] += 4
        return received

    monkeypatch.setattr(BatchRun, "_receive", slowly)
    monkeypatch.setattr(batch_run, "time", SimpleNamespace(monotonic=lambda: clock[0]))


RAISING = """
from ml_service.runtime.author import Model

class Raising(Model):
    name = "mine"
    version = "1"
    description = "Fails on some inputs, and on every batch that has one."
    input_schema = output_schema = {"type": "object"}

    def predict(self, inputs):
        if any(one["is_bad"] for one in inputs):
            raise ValueError("bad")
        return inputs
"""


@pytest.mark.parametrize("every", [1, 2, 4, 31])
@pytest.mark.usefixtures("slow_calls")
async def test_however_many_inputs_a_slow_model_raises_on_the_others_are_answered(
    make_model: Callable[..., ModelSource], every: int
) -> None:
    bad = [place % every == 0 for place in range(32)]
    async with running(make_model(RAISING)) as host:
        pid = host.pid
        answers = await host.predict([json.dumps({"is_bad": one}) for one in bad])
        assert host.pid == pid, "the process is well"
    assert [code_of(each) for each in answers] == ["model_error" if one else "success" for one in bad]


@pytest.mark.usefixtures("slow_calls")
async def test_what_was_not_isolated_in_time_fails_with_what_the_model_did(
    make_model: Callable[..., ModelSource],
) -> None:
    hanging = RAISING.replace(
        "if any", "if len(inputs) == 1:\n            __import__('time').sleep(600)\n        if any"
    )
    async with running(make_model(hanging), replace(QUICK, isolation_s_max=11)) as host:
        answers = await host.predict(['{"is_bad": true}'] * 32)
    assert {code_of(each) for each in answers} == {"model_error"}
    assert {each.message for each in answers if isinstance(each, Failure)} == {
        "The model failed on a batch with this input, and the time to find out which inputs do that is over."
    }


async def test_a_batch_that_nobody_wants_is_stopped_at_once(host: ModelHost) -> None:
    running_batch = asyncio.create_task(host.predict(texts("!hang")))
    await asyncio.sleep(0.1)
    host.stop_current()
    with pytest.raises(BatchStopped):
        await running_batch
    (answer,) = await host.predict(texts("next"))
    assert output_of(answer) == "next"


async def test_a_cancelled_batch_leaves_no_answer_for_the_next_one(host: ModelHost) -> None:
    running_batch = asyncio.create_task(host.predict(texts("!nap", "old")))
    await asyncio.sleep(0.03)
    running_batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running_batch
    answers = await host.predict(texts("new", "newer"))
    assert [output_of(each) for each in answers] == ["new", "newer"]


async def test_the_message_of_an_exception_stays_in_the_log(host: ModelHost) -> None:
    for deed in ("!raise", "!return-error"):
        (answer,) = await host.predict(texts(deed))
        assert isinstance(answer, Failure)
        assert "ValueError" in answer.message
        assert "secret" not in answer.message


async def test_the_message_of_a_prediction_failure_reaches_the_client(host: ModelHost) -> None:
    (answer,) = await host.predict(texts("!reject"))
    assert isinstance(answer, Failure)
    assert answer.message == "This text is not for me."


async def test_outputs_larger_than_a_frame_in_sum_arrive_whole() -> None:
    async with running(troublesome(), QUICK) as host:
        answers = await host.predict(texts(*["!half-mib"] * 12, "!backslash"))
    assert [len(output_of(each)) for each in answers] == [2**19] * 12 + [6]
