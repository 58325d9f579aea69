"""Messages on the wire: what is written is read back, and nothing else is taken for a message."""

from __future__ import annotations

import contextlib
import json
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ml_service.messaging.messages import (
    IDS_MAX,
    MESSAGE_BYTES_MAX,
    UndecodableMessage,
    decode_results,
    decode_tasks,
    encode_results,
    encode_tasks,
)
from ml_service.messaging.queue import Result, ResultMessage, TaskMessage, queue_of

ID = UUID("0199a3c1-7b1e-7c55-9c0e-5a1f6f0f2b11")
names = some.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
)


@given(
    pool=names,
    model=names,
    version=some.text(some.characters(codec="utf-8"), min_size=1, max_size=64),
    ids=some.lists(some.uuids(), min_size=1, max_size=64),
)
def test_a_task_message_is_read_as_it_was_written(pool: str, model: str, version: str, ids: list[UUID]) -> None:
    message = TaskMessage(pool, model, version, tuple(ids))
    assert decode_tasks(encode_tasks(message)) == message


@given(
    some.lists(some.builds(Result, some.uuids(), some.uuids(), names.map(lambda n: n[:40])), min_size=1, max_size=64)
)
def test_a_result_message_is_read_as_it_was_written(results: list[Result]) -> None:
    message = ResultMessage(tuple(results))
    assert decode_results(encode_results(message)) == message


def test_the_documented_form_is_what_is_written() -> None:
    written = json.loads(encode_tasks(TaskMessage("default", "sentiment", "1.0.0", (ID,))))
    assert written == {"v": 2, "pool": "default", "model": "sentiment", "version": "1.0.0", "ids": [str(ID)]}
    written = json.loads(encode_results(ResultMessage((Result(ID, ID, "succeeded"),))))
    assert written == {"v": 1, "results": [{"id": str(ID), "user_id": str(ID), "status": "succeeded"}]}


def test_a_later_writer_may_add_fields() -> None:
    body = {"v": 2, "pool": "default", "model": "echo", "version": "1", "ids": [str(ID)], "trace": "00-…"}
    assert decode_tasks(json.dumps(body)) == TaskMessage("default", "echo", "1", (ID,))


def test_a_message_from_before_versions_is_read_without_one() -> None:
    body = {"v": 1, "pool": "default", "model": "echo", "ids": [str(ID)]}
    assert decode_tasks(json.dumps(body)) == TaskMessage("default", "echo", "", (ID,))


@given(some.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_whatever_raises_anything_but_undecodable(body: bytes) -> None:
    with contextlib.suppress(UndecodableMessage):
        decode_tasks(body)
    with contextlib.suppress(UndecodableMessage):
        decode_results(body)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 3},
        {"version": ""},
        {"version": "x" * 65},
        {"version": None},
        {"v": "1"},
        {"pool": ""},
        {"pool": "a b"},
        {"pool": "default\n"},
        {"model": "x" * 101},
        {"ids": []},
        {"ids": ["1"]},
        {"ids": [str(ID)] * (IDS_MAX + 1)},
        {"ids": None},
    ],
)
def test_what_does_not_fit_the_schema_is_undecodable(change: dict[str, object]) -> None:
    body = {"v": 2, "pool": "default", "model": "echo", "version": "1", "ids": [str(ID)], **change}
    with pytest.raises(UndecodableMessage):
        decode_tasks(json.dumps(body))


def test_a_body_beyond_the_limit_is_not_even_read() -> None:
    with pytest.raises(UndecodableMessage, match="more than"):
        decode_tasks(b" " * (MESSAGE_BYTES_MAX + 1))


def test_a_deeply_nested_body_is_undecodable() -> None:
    with pytest.raises(UndecodableMessage):
        decode_tasks("[" * 100_000)


def test_too_many_or_no_ids_are_not_written() -> None:
    with pytest.raises(ValueError, match="ids"):
        encode_tasks(TaskMessage("default", "echo", "1", ()))
    with pytest.raises(ValueError, match="ids"):
        encode_tasks(TaskMessage("default", "echo", "1", tuple(uuid4() for _ in range(IDS_MAX + 1))))
    with pytest.raises(ValueError, match="results"):
        encode_results(ResultMessage(()))


def test_the_default_pool_has_the_plain_name() -> None:
    assert (queue_of("default"), queue_of("gpu")) == ("ml_tasks", "ml_tasks.gpu")
