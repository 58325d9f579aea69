"""Where models lie; the host looks for them there, the child imports them from there."""

from __future__ import annotations

from pathlib import Path

MODEL_FILE = "model.py"
MANIFEST_FILE = "weights.json"
BUNDLED_FOLDER = Path(__file__).parent / "bundled"
