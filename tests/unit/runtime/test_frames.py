"""Frames carry any text whole, and what is no frame is noticed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_service.runtime import frames
from ml_service.runtime.host.child_process import ChildFrameReader, ProcessEnded

texts = st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1)


@settings(max_examples=40)
@given(texts, st.integers(1, 2**32 - 1))
def test_a_batch_survives_its_frame(inputs: list[str], per_call: int) -> None:
    data = frames.batch_frame(inputs, per_call)
    assert frames.read_header(data) == (frames.BATCH, len(data) - frames.HEADER_BYTES)
    assert frames.read_batch(data[frames.HEADER_BYTES :]) == (per_call, inputs)


@settings(max_examples=40)
@given(texts, st.integers(0, 2**32 - 1), st.floats(0, 1e9))
def test_answers_survive_their_frame(answers: list[str], first: int, predict_ms: float) -> None:
    data = frames.answers_frame(first, predict_ms, [each.encode() for each in answers])
    assert frames.read_answers(data[frames.HEADER_BYTES :]) == (first, predict_ms, answers)


@settings(max_examples=40)
@given(st.text(st.characters()))
def test_any_message_of_a_failure_can_travel(message: str) -> None:
    data = frames.answers_frame(0, 0, [frames.failure("model_error", message)])
    (answer,) = frames.read_answers(data[frames.HEADER_BYTES :])[2]
    assert answer.startswith("!model_error ")


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=50), max_size=8), st.data())
def test_frames_arrive_whole_however_the_stream_is_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frames.frame(frames.ANSWERS, payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))

    async def receive_all() -> list[bytes]:
        wire = ChildFrameReader()
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            wire.data_received(stream[begin:end])
        wire.connection_lost(None)
        received = []
        try:
            while True:
                received.append((await wire.receive())[1])
        except ProcessEnded:
            return received

    assert payloads == asyncio.run(receive_all())


@pytest.mark.parametrize("header", [b"\0\0\0\0\4", b"\x7f\0\0\0\4", b"\0\0\0\1\0", b"\0\0\0\1\x0a", b"print"])
def test_what_is_no_frame_is_noticed(header: bytes) -> None:
    with pytest.raises(ValueError, match="not a frame"):
        frames.read_header(header)
