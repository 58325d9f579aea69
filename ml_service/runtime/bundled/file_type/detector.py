"""Magika, on one thread."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; for tools, where no worker has set it
from magika import Magika

from ml_service.runtime.author import JsonObject
from ml_service.runtime.bundled.shared_session import shared_session


class _OneThread(Magika):
    """The package's own session takes a thread for each core, and spends its time on waking them up."""

    def _init_onnx_session(self) -> Any:
        return shared_session("magika", self._model_path)


class Detector:
    """Says what kind of file some bytes are."""

    def __init__(self) -> None:
        self._magika = _OneThread()

    def kind_of(self, content: bytes) -> JsonObject:
        """Return an output of the model `file-type`."""
        found = self._magika.identify_bytes(content)
        kind = found.output
        return {
            "label": str(kind.label),
            "confidence": round(float(found.score), 4),
            "description": kind.description,
            "mime_type": kind.mime_type,
            "group": kind.group,
            "extensions": list(kind.extensions),
            "is_text": kind.is_text,
        }
