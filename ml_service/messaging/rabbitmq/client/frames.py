"""Cutting a byte stream into AMQP frames, and writing the frames of a message.

The layout is AMQP 0-9-1, section 4.2.3: a kind (1 byte), a channel (2), a payload size (4), the payload, and 0xCE.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pamqp.frame
from pamqp import base, commands, header
from pamqp.exceptions import PAMQPException

FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT = 1, 2, 3, 8
FRAME_KINDS = frozenset({FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT})
FRAME_HEAD = struct.Struct(">BHI")
FRAME_END = b"\xce"
FRAME_OVERHEAD = FRAME_HEAD.size + len(FRAME_END)
FRAME_BYTES_MIN = 4096
"""Both ends must accept frames of this size, whatever they negotiate."""
FRAME_BYTES_MAX = 131_072
"""RabbitMQ's default, and our bound until the broker has named its own."""
HEARTBEAT = FRAME_HEAD.pack(FRAME_HEARTBEAT, 0, 0) + FRAME_END


class FrameError(ValueError):
    """The broker sent bytes that break the protocol; nothing after them can be trusted."""


class AmqpFrameReader:
    """Cuts a stream into frames, however the network splits or merges them. Holds at most one incomplete frame."""

    def __init__(self) -> None:
        self.frame_bytes_max = FRAME_BYTES_MAX
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add ``data`` and yield the frames that are complete now, as (kind, channel number, whole frame).

        Raises:
            FrameError: The stream contains something other than frames of at most ``frame_bytes_max`` bytes.
        """
        buffer = self._buffer
        buffer += data
        position, end = 0, len(buffer)
        try:
            while end - position >= FRAME_HEAD.size:
                kind, number, size = FRAME_HEAD.unpack_from(buffer, position)
                if kind not in FRAME_KINDS:
                    raise FrameError(f"unknown frame kind {kind}")
                if size > self.frame_bytes_max - FRAME_OVERHEAD:
                    raise FrameError(f"a frame of {size} bytes, more than {self.frame_bytes_max} with its head")
                frame_end = position + FRAME_OVERHEAD + size
                if frame_end > end:
                    return
                if buffer[frame_end - 1] != FRAME_END[0]:
                    raise FrameError("a frame without its end mark")
                frame = bytes(buffer[position:frame_end])
                position = frame_end
                yield kind, number, frame
        finally:
            del buffer[:position]


def body_of(frame: bytes) -> bytes:
    """The payload of a whole frame."""
    return frame[FRAME_HEAD.size : -1]


def decode_frame(frame: bytes) -> base.Frame | header.ContentHeader:
    """The method or content header in a whole frame.

    Raises:
        FrameError: It cannot be decoded.
    """
    try:
        value = pamqp.frame.unmarshal(frame)[2]
    except (PAMQPException, ValueError) as error:
        raise FrameError(f"a frame that cannot be decoded: {error}") from error
    if isinstance(value, base.Frame | header.ContentHeader):
        return value
    raise FrameError(f"an unexpected frame: {type(value).__name__}")


def encode_methods(number: int, *methods: base.Frame) -> bytes:
    """The frames of ``methods`` on the channel ``number``, joined."""
    return b"".join([pamqp.frame.marshal(method, number) for method in methods])


def encode_message(
    number: int,
    publish: commands.Basic.Publish,
    properties: commands.Basic.Properties,
    body: bytes,
    frame_bytes_max: int,
) -> bytes:
    """The frames of one message on the channel ``number``: method, header, and the body in parts that fit."""
    frames = [
        pamqp.frame.marshal(publish, number),
        pamqp.frame.marshal(header.ContentHeader(body_size=len(body), properties=properties), number),
    ]
    step = frame_bytes_max - FRAME_OVERHEAD
    for start in range(0, len(body), step):
        part = body[start : start + step]
        frames += (FRAME_HEAD.pack(FRAME_BODY, number, len(part)), part, FRAME_END)
    return b"".join(frames)
