"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ml_service.platform.settings.reading import known_names

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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_a_document_names_exist(document: Path) -> None:
    """A name is a setting's where it has a value (`MODE=production`) or an ending as settings have it."""
    of_others = {"OMP_NUM_THREADS", "OPENAI_BASE_URL", "REQUIRE_ALL"}
    name = r"[A-Z][A-Z\d]*(?:_[A-Z\d]+)*"
    named = set(re.findall(rf"`({name})=|`({name}_(?:S|MAX|MIN|DAYS|URL|NETWORKS|PORTS))`", document.read_text()))
    assert {one for pair in named for one in pair if one} - known_names(ROOT) - of_others == set()


def test_statements_that_the_states_name_stand_in_their_files() -> None:
    found = re.findall(r"((?:`_[A-Z_]+`,? ?)+)in `(\w+\.py)`", (ROOT / "docs/state_machine.md").read_text())
    assert len(found) > 5
    for statements, name in found:
        code = (ROOT / "ml_service/storage" / name).read_text()
        for statement in re.findall(r"_[A-Z_]+", statements):
            assert f"\n{statement} = " in code, f"{statement} in {name}"
