"""The examples of docs/api.md run as they are, and its table of errors is whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml_service.domain.errors import ServiceError
from mls.errors import ApiError
from services.app.api.problems import STATUSES
from tests.clients.people import Registered
from tests.support.nodes import skip_or_fail

pytestmark = pytest.mark.slow

DOCUMENT = (Path(__file__).parents[2] / "docs/api.md").read_text()
EXAMPLES = re.findall(r"^```(sh|js|python)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
COMMANDS = {"sh": ["bash", "-eu", "-o", "pipefail"], "js": ["node"], "python": [sys.executable, "-W", "error"]}
SUFFIXES = {"sh": "sh", "js": "mjs", "python": "py"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", COMMANDS)
def test_the_examples_run_as_they_are(
    anna: Registered, installed: dict[str, str], tmp_path: Path, language: str
) -> None:
    if shutil.which(COMMANDS[language][0]) is None:
        skip_or_fail(f"{COMMANDS[language][0]} is not here, and docs/api.md has examples for it")
    found = [text for one, text in EXAMPLES if one == language]
    # Those for a shell are one session: a later one uses the token of the first.
    for number, text in enumerate(["echo\n".join(found)] if language == "sh" else found):
        file = tmp_path / f"{number}.{SUFFIXES[language]}"
        file.write_text(text)
        done = subprocess.run(
            [*COMMANDS[language], file],
            cwd=tmp_path,
            env={**installed, **anna.environment},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip() or "assert" in text
        if language == "sh":
            assert '"status":"succeeded"' in done.stdout
            assert done.stdout.count('"code":') == 1, "only the one that is meant to fail"


def test_the_table_of_errors_names_each_with_its_status_and_class() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| `(\w+)` \|", DOCUMENT, re.MULTILINE)
    expected = {kind.code: (str(status.value), ApiError.known[kind.code].__name__) for kind, status in STATUSES.items()}
    assert {code: (status, name) for code, status, name in rows} == expected
    assert len(rows) == len(expected)
    assert ServiceError.code not in expected
