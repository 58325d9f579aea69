"""The engine's one error. Apart, so that what runs before the `.venv` stands can use it."""

from __future__ import annotations


class EngineError(Exception):
    """Something that the person at the terminal can act on; the message is one clear sentence or two."""
