"""The engine's one error. In its own module, so that code that runs before the `.venv` exists can use it."""

from __future__ import annotations


class EngineError(Exception):
    """Something that the person at the terminal can act on; the message is one clear sentence or two."""
