"""A package to install where nothing can be fetched."""

from __future__ import annotations

import zipfile
from pathlib import Path


def write_wheel(folder: Path, word: str, *, requires: str = "") -> None:
    """A package in a file, as small as one can be: nothing is fetched or built."""
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", f"WORD = {word!r}\n")
        required = f"Requires-Dist: {requires}\n" if requires else ""
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n{required}")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
