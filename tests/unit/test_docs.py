"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def names(document: Path, pattern: str) -> set[str]:
    return set(re.findall(f"`({pattern})`", document.read_text()))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_and_files_that_a_document_names_exist(document: Path) -> None:
    code = "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", code))
    assert names(document, r"test_\w+") - there == set()
    # But for what is made at the first start, and for names that stand for any.
    folders = r"(?![\w./-]*(?:/\.env|NNNN))(?:ml_service|services|tests|engine|docs|models|benchmarks|tools)/[\w./-]+"
    assert {name for name in names(document, folders) if not (ROOT / name).exists()} == set()
