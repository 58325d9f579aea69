"""Rules of the house that no linter checks: sizes, import cycles, words, and one definition of each shared helper."""

from __future__ import annotations

import ast
import re
import subprocess
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from ml_service.platform.settings.reading import known_names

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
BANNED_WORDS = ROOT / "tools" / "banned_words.txt"
SHOWN_BY_THE_API = frozenset(
    {"Balance", "DeadLetter", "Now", "Prediction", "PredictionError", "SignIn", "Tokens", "Transaction", "Trouble"}
    | {"Usage", "User", "Webhook", "Worker"}
)
"""One thing, twice: as the rooms below have it, and its form in the API (`services/app/api/schemas`)."""
SHARED_NAMES = {"Model": "the class that a model's author writes, and the same model as the API lists it"}
PACKAGES = ("ml_service", "services", "engine", "benchmarks", "tests", "mls")


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_no_python_file_is_longer_than_the_limit() -> None:
    long = {path: len(path.read_text().splitlines()) for path in tracked("*.py")}
    assert {path for path, lines in long.items() if lines > FILE_LINES_MAX} == set()


def test_migrations_follow_each_other_in_the_order_of_their_numbers() -> None:
    """Two that name one predecessor keep every database from being migrated; the newest number is what code expects."""
    paths = sorted(tracked("ml_service/storage/migrations/versions/[0-9]*.py"))
    found = [
        dict(re.findall(r'^(revision|down_revision) = (?:"(\d+)"|None)', path.read_text(), re.MULTILINE))
        for path in paths
    ]
    numbers = [path.name[:4] for path in paths]
    assert [one["revision"] for one in found] == numbers
    assert [one["down_revision"] for one in found] == ["", *numbers[:-1]]


def test_no_function_is_longer_than_the_limit() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in tracked("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_two_classes_share_a_name() -> None:
    """A name that stands for two things is looked for in vain: give the second one a name of its own."""
    places: dict[str, set[str]] = {}
    for path in tracked(
        *(f"{room}/*.py" for room in ("ml_service", "services", "engine", "benchmarks", "tools", "tests"))
    ):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, set()).add(str(path.relative_to(ROOT)))
    shared = {name: found for name, found in places.items() if len(found) > 1 and name not in SHARED_NAMES}
    for name in SHOWN_BY_THE_API & shared.keys():
        others = {path for path in shared[name] if not path.startswith("services/app/api/schemas/")}
        if len(others) == len(shared[name]) - 1 == 1:
            del shared[name]
    assert shared == {}


def test_log_events_are_written_alike() -> None:
    """In one search somebody finds an event: `model not loaded` and `model_not_loaded` would be two."""
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    events = {
        node.args[0].value: str(path.relative_to(ROOT))
        for path in tracked("ml_service/*.py", "services/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in levels
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }
    assert len(events) > 100
    assert {event: path for event, path in events.items() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", event)} == {}


def test_no_constant_has_the_name_of_a_setting() -> None:
    """Who looks for a setting should not find another bound under its name."""
    constants = {
        target.id: str(path.relative_to(ROOT))
        for path in tracked("ml_service/*.py", "services/*.py", "engine/*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert {name: constants[name] for name in constants.keys() & known_names()} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    graph = grimp.build_graph(package, cache_dir=None, exclude_type_checking_imports=True)
    sorter = TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_texts_use_no_banned_word() -> None:
    words = [line for line in BANNED_WORDS.read_text().splitlines() if line and not line.startswith("#")]
    banned = re.compile(rf"(?<![\w-])({'|'.join(words)})(?![\w-])", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in tracked(
            "*.py", "*.md", "*.yaml", "*.sql", "*.sh", "*.conf", "*.template", "*.ftl", ".ci/run", "*.html"
        )
        if path.parent.name != "vendor" and not path.name.endswith(".ru.md")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in banned.finditer(line)
    ]
    assert found == []
