"""The page's libraries are the files that vendor/README.md names, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "services" / "app" / "web" / "vendor"


def _sums() -> dict[str, str]:
    lines = [line for line in (VENDOR / "README.md").read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[-1] for row in rows if row[0] != "file"}


def test_each_vendored_file_has_the_sum_of_the_table() -> None:
    files = [path for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}]
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files} == _sums()


def test_each_vendored_package_has_its_licence() -> None:
    names = {name.partition("-")[0].partition(".")[0] for name in _sums()}
    licences = {path.stem.partition("-")[0] for path in (VENDOR / "licences").iterdir()}
    assert licences == names
