"""AMQP frames: cut from any stream of bytes, and nothing else is accepted."""

from __future__ import annotations

import struct
from itertools import pairwise

import pamqp.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import base, commands, header

from ml_service.messaging.rabbitmq.client.frames import (
    FRAME_BODY,
    FRAME_BYTES_MAX,
    FRAME_BYTES_MIN,
    FRAME_END,
    FRAME_HEAD,
    FRAME_HEADER,
    FRAME_KINDS,
    FRAME_METHOD,
    FRAME_OVERHEAD,
    HEARTBEAT,
    AmqpFrameReader,
    FrameError,
    body_of,
    decode_frame,
    encode_message,
)

METHODS = sorted(set(commands.INDEX_MAPPING) - {commands.Basic.RecoverAsync.index})
"""All that pamqp knows; the one left out warns that it is deprecated."""

frames = st.tuples(st.sampled_from(sorted(FRAME_KINDS)), st.integers(0, 65535), st.binary(max_size=300))


def pack(kind: int, number: int, payload: bytes) -> bytes:
    return FRAME_HEAD.pack(kind, number, len(payload)) + payload + FRAME_END


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@given(st.lists(frames, max_size=20), st.lists(st.integers(0, 10_000), max_size=40))
def test_a_stream_gives_its_frames_however_it_is_split_and_merged(
    sent: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(pack(*frame) for frame in sent)
    reader = AmqpFrameReader()
    received = [frame for piece in pieces(stream, cuts) for frame in reader.feed(piece)]
    assert sent == [(kind, number, body_of(frame)) for kind, number, frame in received]
    assert not reader._buffer


@given(st.lists(st.binary(max_size=4000), max_size=10))
@settings(max_examples=300)
def test_any_bytes_give_frames_or_an_error_and_never_more_than_one_frame_is_held(chunks: list[bytes]) -> None:
    reader = AmqpFrameReader()
    reader.frame_bytes_max = FRAME_BYTES_MIN
    try:
        for chunk in chunks:
            for kind, _, frame in reader.feed(chunk):
                assert kind in FRAME_KINDS
                assert len(frame) <= FRAME_BYTES_MIN
            assert len(reader._buffer) < FRAME_BYTES_MIN
    except FrameError:
        pass


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (FRAME_HEAD.pack(FRAME_METHOD, 0, FRAME_BYTES_MAX), "a frame of 131072 bytes"),
        (FRAME_HEAD.pack(FRAME_BODY, 1, 2**32 - 1), "a frame of 4294967295 bytes"),
        (FRAME_HEAD.pack(0, 0, 0) + FRAME_END, "unknown frame kind 0"),
        (b"AMQP\x00\x00\x09\x01", "unknown frame kind 65"),
        (b"HTTP/1.1 400 Bad Request\r\n", "unknown frame kind 72"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", "unknown frame kind 22"),
        (FRAME_HEAD.pack(FRAME_BODY, 1, 3) + b"abc\x00", "without its end mark"),
        (HEARTBEAT[:-1] + b"\x00", "without its end mark"),
    ],
)
def test_a_malformed_frame_is_refused_once_its_head_has_arrived(data: bytes, says: str) -> None:
    reader = AmqpFrameReader()
    with pytest.raises(FrameError, match=says):
        list(reader.feed(data))


def test_a_frame_of_exactly_the_largest_size_is_accepted_and_one_byte_more_is_not() -> None:
    reader = AmqpFrameReader()
    largest = pack(FRAME_BODY, 1, b"x" * (FRAME_BYTES_MAX - FRAME_OVERHEAD))
    assert [frame for _, _, frame in reader.feed(largest)] == [largest]
    with pytest.raises(FrameError):
        list(reader.feed(pack(FRAME_BODY, 1, b"x" * (FRAME_BYTES_MAX - FRAME_OVERHEAD + 1))))


@given(st.binary(max_size=20_000), st.integers(FRAME_BYTES_MIN, 10_000), st.integers(1, 65535))
def test_a_published_message_is_read_back_whole_and_each_frame_fits(body: bytes, frame_max: int, number: int) -> None:
    publish = commands.Basic.Publish(exchange="ml_tasks", routing_key="default", mandatory=True)
    properties = commands.Basic.Properties(message_id="a-1", headers={"x-redelivered": True})
    reader = AmqpFrameReader()
    reader.frame_bytes_max = frame_max
    method, head, *parts = reader.feed(encode_message(number, publish, properties, body, frame_max))
    assert {number} == {one for _, one, _ in (method, head, *parts)}
    assert body == b"".join(body_of(frame) for _, _, frame in parts)
    decoded = decode_frame(head[2])
    assert isinstance(decoded, header.ContentHeader)
    assert decoded.body_size == len(body)
    assert dict(decode_frame(method[2])) == dict(publish)


@given(st.sampled_from([FRAME_METHOD, FRAME_HEADER]), st.binary(max_size=200))
@settings(max_examples=300)
def test_a_frame_with_any_payload_is_decoded_or_refused(kind: int, payload: bytes) -> None:
    try:
        value = decode_frame(pack(kind, 1, payload))
    except FrameError:
        return
    assert isinstance(value, base.Frame | header.ContentHeader)


@given(st.sampled_from(METHODS), st.binary(max_size=200))
@settings(max_examples=500)
def test_every_method_with_any_arguments_is_decoded_or_refused(index: int, arguments: bytes) -> None:
    try:
        value = decode_frame(pack(FRAME_METHOD, 1, struct.pack(">I", index) + arguments))
    except FrameError:
        return
    assert isinstance(value, base.Frame)


@given(st.sampled_from(["deliver", "header"]), st.integers(0, 200), st.integers(1, 255))
def test_a_flipped_byte_is_decoded_or_refused(which: str, place: int, change: int) -> None:
    properties = commands.Basic.Properties(headers={"x-death": [{"reason": "rejected", "count": 1}]})
    whole = {
        "deliver": pamqp.frame.marshal(commands.Basic.Deliver("tag", 1, True, "ml_tasks", "default"), 1),  # noqa: FBT003
        "header": pamqp.frame.marshal(header.ContentHeader(body_size=10, properties=properties), 1),
    }[which]
    payload = bytearray(body_of(whole))
    payload[place % len(payload)] ^= change
    try:
        decode_frame(pack(FRAME_METHOD if which == "deliver" else FRAME_HEADER, 1, bytes(payload)))
    except FrameError:
        return
