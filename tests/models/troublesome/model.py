"""A model for tests: it echoes its input, unless the input says what to do to the process instead.

`{"text": "!segfault"}` and its like; the words are the keys of `_DEEDS` (what is done to the
process) and of `_OUTPUTS` (what is returned).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ml_service.runtime.author import JsonObject, Model, PredictionFailure

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(2**20))


def _spin() -> None:
    while True:
        pass


def _raise(error: BaseException) -> None:
    raise error


def _print() -> None:
    print("printed by the model")  # noqa: T201
    os.write(1, b"\x00\x00\x00\x05\x04written to descriptor 1\n")
    os.system("echo said by a program of the model")  # noqa: S605


def _leave_a_program() -> None:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)


_DEEDS: dict[str, Callable[[], Any]] = {
    "!segfault": lambda: ctypes.string_at(0),
    "!abort": os.abort,
    "!exit": lambda: os._exit(3),
    "!sys-exit": sys.exit,
    "!kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "!hang": lambda: time.sleep(3600),
    "!spin": _spin,
    "!eat": _eat,
    "!raise": lambda: _raise(ValueError("secret detail")),
    "!reject": lambda: _raise(PredictionFailure("This text is not for me.")),
    "!print": _print,
    "!flood": lambda: print("much\n" * 50_000, end=""),  # noqa: T201
    "!nap": lambda: time.sleep(0.1),
    "!fork": _leave_a_program,
    "!close-all": lambda: os.closerange(3, 64),
}
_OUTPUTS: dict[str, Callable[[], Any]] = {
    "!return-reject": lambda: PredictionFailure("Not this one."),
    "!return-error": lambda: ValueError("secret detail"),
    "!nan": lambda: {"text": float("nan")},
    "!set": lambda: {"text": {1, 2}},
    "!list": lambda: ["text"],
    "!none": lambda: None,
    "!surrogate": lambda: {"text": "\ud800"},
    "!nul": lambda: {"text": "\0"},
    "!backslash": lambda: {"text": "\\u0000"},
    "!big": lambda: {"text": "x" * 2**21},
    "!half-mib": lambda: {"text": "x" * 2**19},
    "!pid": lambda: {"text": str(os.getpid())},
    "!environment": lambda: {"text": " ".join(sorted(os.environ))},
    "!threads": lambda: {"text": os.environ["OMP_NUM_THREADS"]},
}


class Troublesome(Model):
    """Echoes, or misbehaves as told."""

    name = "troublesome"
    version = "1"
    description = "Echoes its input, or misbehaves as the input says. For tests only."
    input_schema = TEXT
    output_schema = TEXT
    batch_size = 64
    timeout_s = 5.0
    memory_bytes_max = 96 * 2**20

    def predict(self, inputs: list[JsonObject]) -> Sequence[Any]:
        """Do what each input says; answer the rest."""
        outputs: list[Any] = []
        for each in inputs:
            text = each.pop("text")  # a call that fails after this must not spoil the next one
            if text == "!once":
                _die_once(Path(each["mark"]))
            if text in _DEEDS:
                _DEEDS[text]()
            if text != "!drop":
                outputs.append(_OUTPUTS.get(text, lambda text=text: {"text": text})())
        return outputs


def _die_once(mark: Path) -> None:
    if not mark.exists():
        mark.touch()
        os._exit(1)
