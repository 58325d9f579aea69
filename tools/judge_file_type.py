"""Judge the bundled model `file-type`: `python -m tools.judge_file_type [FOLDER …]`.

It is asked about the files in the folders (this project's own and the Python library's, unless others are named), whose
kind their endings say, up to 200 of each ending, and about files that the standard library makes on the spot. Below a
floor the exit code is 1.
"""

from __future__ import annotations

import argparse
import base64
import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import sys
import sysconfig
import tarfile
import time
import wave
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ml_service.runtime.bundled.file_type.model import FileType

ROOT = Path(__file__).resolve().parent.parent
BYTES_MIN, BYTES_MAX = 64, 45_000
FILES_MAX = 200
ACCURACY_MIN = 0.93
# The kinds that are right for an ending; the first is what most of them are.
KINDS = {
    "py": ("python",),
    "js": ("javascript",),
    "ts": ("typescript",),
    "css": ("css",),
    "html": ("html",),
    "md": ("markdown", "txt"),
    "rst": ("rst", "txt"),
    "svg": ("svg",),
    "xml": ("xml",),
    "json": ("json",),
    "toml": ("toml",),
    "yaml": ("yaml",),
    "yml": ("yaml",),
    "sql": ("sql",),
    "sh": ("shell",),
    "c": ("c",),
    "h": ("c", "cpp"),
    "png": ("png",),
    "gif": ("gif",),
    "ico": ("ico",),
    "npz": ("npz", "zip"),
    "onnx": ("onnx",),
    "pyc": ("pythonbytecode",),
    "so": ("elf",),
    "exe": ("pebin",),
}


def main() -> int:
    """Ask the model, print a table, compare with the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    folders = parser.parse_args().folders or [
        *(ROOT / name for name in ("clients", "docs", "engine", "ml_service", "models", "services", "tests", "tools")),
        Path(sysconfig.get_path("stdlib")),
    ]
    model = FileType()
    model.load()
    right: dict[str, list[bool]] = defaultdict(list)
    began = time.process_time()
    for ending, content in [*_made(), *_found(folders)]:
        (output,) = model.predict([{"content": base64.b64encode(content).decode()}])
        right[ending].append(isinstance(output, dict) and output["label"] in KINDS.get(ending, (ending,)))
    took_s = time.process_time() - began
    print("| ending | files | right |\n|---|---|---|")
    for ending, each in sorted(right.items()):
        print(f"| {ending} | {len(each)} | {np.mean(each):.2f} |")
    everything = [one for each in right.values() for one in each]
    accuracy = float(np.mean([np.mean(each) for each in right.values()]))
    print(
        f"\n{len(everything)} files of {len(right)} kinds; right {np.mean(everything):.3f}, mean of the kinds "
        f"{accuracy:.3f} (at least {ACCURACY_MIN}); {len(everything) / took_s:.0f} a second and core"
    )
    return 0 if accuracy >= ACCURACY_MIN else 1


def _found(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    counts: dict[str, int] = defaultdict(int)
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            ending = file.suffix.removeprefix(".")
            is_wanted = ending in KINDS and counts[ending] < FILES_MAX and file.is_file() and not file.is_symlink()
            # What else is installed varies from machine to machine.
            if (
                is_wanted
                and not {"site-packages", "dist-packages"} & set(file.parts)
                and BYTES_MIN <= file.stat().st_size <= BYTES_MAX
            ):
                counts[ending] += 1
                yield ending, file.read_bytes()


def _made() -> Iterator[tuple[str, bytes]]:
    """Files of kinds that a project of source code has none of: by label, and bytes."""
    words = b"The quick brown fox jumps over the lazy dog. " * 40
    yield "gzip", gzip.compress(words)
    yield "bzip", bz2.compress(words)
    yield "xz", lzma.compress(words)
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("words.txt", words)
        yield "zip", buffer.getvalue()
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            about = tarfile.TarInfo("words.txt")
            about.size = len(words)
            tar.addfile(about, io.BytesIO(words))
        yield "tar", buffer.getvalue()
    with io.BytesIO() as buffer:
        with wave.open(buffer, "wb") as sound:
            sound.setparams((1, 2, 8_000, 0, "NONE", ""))
            sound.writeframes((np.sin(np.arange(8_000) / 5) * 20_000).astype("<i2").tobytes())
        yield "wav", buffer.getvalue()
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE words (word TEXT)")
    database.execute("INSERT INTO words VALUES ('fox')")
    database.commit()
    yield "sqlite", database.serialize()
    database.close()
    yield "pickle", pickle.dumps({"words": words.split(), "numbers": list(range(500))})
    with io.BytesIO() as buffer:
        np.save(buffer, np.arange(2_000))
        yield "npy", buffer.getvalue()
    yield "csv", b"name,age,city\n" + b"".join(b"Anna %d,%d,Kazan\n" % (row, 20 + row % 50) for row in range(100))
    yield "pdf", _PDF


_PDF = b"""%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >> endobj
xref
0 4
0000000000 65535 f
trailer << /Size 4 /Root 1 0 R >>
startxref
190
%%EOF
"""


if __name__ == "__main__":
    sys.exit(main())
