"""What a model's process and its host say to each other: length-prefixed frames over a socket pair.

A frame is ``length (4 bytes, big endian) | kind (1 byte) | payload``; the length counts kind and payload.
Inputs and outputs travel as the JSON text that the database has, joined by NUL, which no JSON text contains:
the host never decodes them.

Host to child:
    LOAD      nothing else; the declarations are taken, and the model is to load
    BATCH     how many inputs per call of the model (4 bytes), then the inputs
    REQUESTS  the same, then for each input its context as JSON: for models that take one
Child to host:
    DECLARED  the model's declarations, as JSON; it is imported, and waits for LOAD
    LOADED    nothing else; it takes batches now
    UNLOADED  why the model cannot be served: one sentence
    ANSWERS   the first answer's place in the batch (4 bytes), the call's milliseconds (8 bytes, double), then
              the answers: an output, ``!code message``, or ``!retry seconds``; where the model raised, behind the
              message where it did and what it said, for the log, each after a unit separator
    SCATTERED how many answers (4 bytes), for each its place (4 bytes) and milliseconds (8 bytes, double), then the
              answers: from a model that answers inputs as they are ready
    TROUBLE   the model raised for several inputs, which are now tried in halves; nothing else
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

BATCH = 1
DECLARED = 2
LOADED = 3
UNLOADED = 4
ANSWERS = 5
TROUBLE = 6
SCATTERED = 7
REQUESTS = 8
LOAD = 9

# Longer frames than this are no frames: the child flushes answers long before (ANSWERS_FLUSH_BYTES).
FRAME_BYTES_MAX = 64 * 2**20
# Answers are handed over when they exceed this, so that a batch of large outputs is never one huge string.
ANSWERS_FLUSH_BYTES = 1 * 2**20

# A model that answers inputs one after another hands over what it has so often; one of little time, more often.
FLUSH_S_MAX = 0.1
FLUSH_SHARE = 0.1

SEPARATOR = b"\0"
FAILURE_MARK = "!"
RETRY = "retry"
UNIT = "\x1f"

_HEADER = struct.Struct("!IB")
_BATCH_HEAD = struct.Struct("!I")
_ANSWERS_HEAD = struct.Struct("!Id")
_COUNT = struct.Struct("!I")

LENGTH_BYTES = 4
HEADER_BYTES = _HEADER.size


def flush_s(timeout_s: float) -> float:
    """For how long answers are kept back. A call that began meanwhile has its ``timeout_s`` besides."""
    return min(FLUSH_S_MAX, FLUSH_SHARE * timeout_s)


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return _HEADER.pack(len(payload) + 1, kind) + payload


def read_header(data: bytes | bytearray, at: int = 0) -> tuple[int, int]:
    """Return kind and payload length of the frame whose `HEADER_BYTES` begin at ``at``.

    Raises:
        ValueError: No frame of ours begins so.
    """
    length, kind = _HEADER.unpack_from(data, at)
    if not 1 <= length <= FRAME_BYTES_MAX or not BATCH <= kind <= LOAD:
        raise ValueError(f"not a frame: kind {kind}, {length} bytes")
    return kind, length - 1


def batch_frame(inputs: Sequence[str | bytes], per_call: int, contexts: Sequence[str] = ()) -> bytes:
    """Return the frame that asks for a batch, ``per_call`` inputs at a time; with a context for each or for none."""
    encoded = [text.encode() if isinstance(text, str) else text for text in (*inputs, *contexts)]
    return frame(REQUESTS if contexts else BATCH, _BATCH_HEAD.pack(per_call) + SEPARATOR.join(encoded))


def read_batch(payload: bytes) -> tuple[int, list[str]]:
    """Return the number of inputs per call and the inputs; of REQUESTS, the contexts follow."""
    (per_call,) = _BATCH_HEAD.unpack_from(payload)
    return per_call, payload[_BATCH_HEAD.size :].decode().split("\0")


def answers_frame(first: int, predict_ms: float, answers: Sequence[bytes]) -> bytes:
    """Return the frame that hands over the answers from place ``first`` on."""
    return frame(ANSWERS, _ANSWERS_HEAD.pack(first, predict_ms) + SEPARATOR.join(answers))


def read_answers(payload: bytes) -> tuple[int, float, list[str]]:
    """Return the first answer's place, the call's milliseconds, and the answers."""
    first, predict_ms = _ANSWERS_HEAD.unpack_from(payload)
    return first, predict_ms, payload[_ANSWERS_HEAD.size :].decode().split("\0")


def scattered_frame(places: Sequence[int], predict_ms: Sequence[float], answers: Sequence[bytes]) -> bytes:
    """Return the frame that hands over answers in whatever order they came."""
    heads = b"".join(map(_ANSWERS_HEAD.pack, places, predict_ms))
    return frame(SCATTERED, _COUNT.pack(len(answers)) + heads + SEPARATOR.join(answers))


def read_scattered(payload: bytes) -> list[tuple[int, float, str]]:
    """Return place, milliseconds and answer of each.

    Raises:
        ValueError, struct.error: It is no such frame.
    """
    (count,) = _COUNT.unpack_from(payload)
    end = _COUNT.size + count * _ANSWERS_HEAD.size
    texts = payload[end:].decode().split("\0")
    heads = list(_ANSWERS_HEAD.iter_unpack(payload[_COUNT.size : end]))
    return [(place, predict_ms, text) for (place, predict_ms), text in zip(heads, texts, strict=True)]


def failure(code: str, message: str, chars_max: int = 500, *, place: str = "", cause: str = "") -> bytes:
    """Return a failed answer. Its texts are cut, and cleaned of what cannot travel or be stored.

    Args:
        place: Where the model raised, and ``cause``, what it said: for the log, not for the client.
    """
    parts = [one[:chars_max].replace("\0", " ").replace(UNIT, " ") for one in (message, place, cause)]
    return f"{FAILURE_MARK}{code} {UNIT.join(parts if cause else parts[:1])}".encode(errors="replace")


def read_failure(text: str) -> tuple[str, str, str, str]:
    """Return code, message, place and cause of a failed answer, the last two empty where the model did not raise."""
    code, _, rest = text.removeprefix(FAILURE_MARK).partition(" ")
    message, _, rest = rest.partition(UNIT)
    place, _, cause = rest.partition(UNIT)
    return code, message, place, cause
