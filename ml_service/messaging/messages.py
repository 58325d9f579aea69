"""Queue messages on the wire: versioned JSON, decoded strictly. `docs/messages.md` is their reference.

Decoding trusts nothing: anybody with access to the broker can publish. An undecodable body becomes a dead letter.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec

from ml_service.messaging.queue import Result, ResultMessage, TaskMessage

TASKS_VERSION: Literal[2] = 2
RESULTS_VERSION: Literal[1] = 1
MESSAGE_BYTES_MAX = 256 * 1024
IDS_MAX = 1024
"""Ids in one task message, results in one result message; above any model's batch size."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
"""A pool's or a model's name; also safe as a part of a queue's name."""
ModelVersion = Annotated[str, msgspec.Meta(max_length=64)]


class UndecodableMessage(ValueError):
    """The body is not a message of a version we know; the text says what is wrong with it."""


class _Tasks(msgspec.Struct, omit_defaults=True):
    v: Literal[1, 2]  # 1 had no version of the model
    pool: Name
    model: Name
    ids: Annotated[tuple[UUID, ...], msgspec.Meta(min_length=1, max_length=IDS_MAX)]
    bulk: bool = False
    version: ModelVersion = ""


class _Results(msgspec.Struct):
    v: Literal[1]
    results: Annotated[tuple[Result, ...], msgspec.Meta(min_length=1, max_length=IDS_MAX)]


M = TypeVar("M")

_encoder = msgspec.json.Encoder()
_tasks_decoder = msgspec.json.Decoder(_Tasks)
_results_decoder = msgspec.json.Decoder(_Results)


def encode_tasks(message: TaskMessage) -> bytes:
    """The body of a task message.

    Raises:
        ValueError: It has no ids, or more than `IDS_MAX`.
    """
    if not 1 <= len(message.ids) <= IDS_MAX:
        raise ValueError(f"a task message carries 1 to {IDS_MAX} ids, not {len(message.ids)}")
    return _encoder.encode(
        _Tasks(TASKS_VERSION, message.pool, message.model, message.ids, message.bulk, message.version)
    )


def decode_tasks(body: bytes | str) -> TaskMessage:
    """The task message in ``body``.

    Raises:
        UndecodableMessage: It is not one.
    """
    tasks = _decode(_tasks_decoder, body)
    if tasks.v == TASKS_VERSION and not tasks.version:
        raise UndecodableMessage("it names no version of its model")
    return TaskMessage(pool=tasks.pool, model=tasks.model, version=tasks.version, ids=tasks.ids, bulk=tasks.bulk)


def encode_results(message: ResultMessage) -> bytes:
    """The body of a result message.

    Raises:
        ValueError: It has no results, or more than `IDS_MAX`.
    """
    if not 1 <= len(message.results) <= IDS_MAX:
        raise ValueError(f"a result message carries 1 to {IDS_MAX} results, not {len(message.results)}")
    return _encoder.encode(_Results(RESULTS_VERSION, message.results))


def decode_results(body: bytes | str) -> ResultMessage:
    """The result message in ``body``.

    Raises:
        UndecodableMessage: It is not one.
    """
    return ResultMessage(_decode(_results_decoder, body).results)


def _decode(decoder: msgspec.json.Decoder[M], body: bytes | str) -> M:
    if len(body) > MESSAGE_BYTES_MAX:
        raise UndecodableMessage(f"the body has {len(body)} bytes, more than {MESSAGE_BYTES_MAX}")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UndecodableMessage(str(error)) from error
