"""`mls`, installed from the wheel, against a started system."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.clients.people import Registered
from tests.support.system import System

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mls(anna: Registered, installed: dict[str, str]) -> Run:
    """Runs `mls` as anna."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**installed, **anna.environment, **environment}
        return subprocess.run(
            ["mls", *arguments], env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_it_asks_and_shows_what_it_cost(mls: Run) -> None:
    answer = mls("predict", "Great service!", "--model", "sentiment")
    assert (answer.returncode, json.loads(answer.stdout)["label"]) == (0, "positive"), answer.stderr
    whole = json.loads(mls("predict", "-", "--json", "--model", "echo", stdin="from a pipe").stdout)
    assert (whole["output"], whole["charged"]) == ({"text": "from a pipe"}, 1)
    given = mls("predict", "--input", '{"text": "a whole input"}', "--model", "echo")
    assert json.loads(given.stdout) == {"text": "a whole input"}
    later = mls("predict", "later", "--no-wait", "--model", "echo").stdout.strip()
    assert json.loads(mls("show", later).stdout)["id"] == later
    assert json.loads(mls("quote", "Great service!").stdout)["cost_max"] == 1
    assert mls("balance").stdout.startswith("96 credits")
    assert "sentiment" in mls("models").stdout


def test_a_text_of_a_pipe_is_asked_without_the_end_of_its_line(mls: Run) -> None:
    piped = mls("predict", "-", "--model", "echo", stdin="Two\nlines\n")
    assert json.loads(piped.stdout) == {"text": "Two\nlines"}


def test_it_says_what_it_is_and_what_it_can(mls: Run) -> None:
    assert mls("--version").stdout.startswith("mls 0.")
    nothing = mls()
    assert (nothing.returncode, "list what can be asked" in nothing.stderr) == (2, True)


def test_results_are_a_table_where_they_are_named_so_and_replace_no_input(mls: Run, tmp_path: Path) -> None:
    lines, out = tmp_path / "lines.csv", tmp_path / "results.csv"
    lines.write_text('text\n"Two\nlines"\nsecond\n')
    done = mls("bulk", str(lines), "--model", "echo", "--out", str(out))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig"), newline="")))
    assert [(row["text"], row["status"]) for row in rows] == [("Two\nlines", "succeeded"), ("second", "succeeded")]
    for wrong in (lines, tmp_path / "missing" / "results.csv"):
        refused = mls("bulk", str(lines), "--model", "echo", "--out", str(wrong))
        assert (refused.returncode, "--out" in refused.stderr) == (2, True)
    assert lines.read_text().startswith("text")
    assert mls("balance").stdout.startswith("98 credits")  # only the first was sent


def test_it_says_what_was_refused_and_ends_with_1(mls: Run) -> None:
    refused = mls("predict", "")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "invalid_input" in refused.stderr
    assert "input.text: " in refused.stderr
    assert mls("predict", "a", MLS_URL="http://127.0.0.1:9").returncode == 1
    wrong = mls("predict", "a", "--input", "{}")
    assert (wrong.returncode, "Give a text or --input." in wrong.stderr) == (2, True)


def test_it_cancels_and_writes_results_later(mls: Run, system: System, tmp_path: Path) -> None:
    with system.workers_frozen():
        asked = mls("predict", "later", "--no-wait", "--model", "echo").stdout.strip()
        canceled = mls("cancel", asked)
    assert (canceled.returncode, json.loads(canceled.stdout)["status"]) == (0, "canceled"), canceled.stderr
    ended = mls("predict", "now", "--json", "--model", "echo").stdout.splitlines()[0]
    late = mls("cancel", json.loads(ended)["id"])
    assert (late.returncode, "already_finished" in late.stderr) == (1, True)
    (tmp_path / "lines.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    job = mls("bulk", str(tmp_path / "lines.jsonl"), "--no-wait", "--model", "echo").stdout.strip()
    assert mls("results", job, "--out", str(tmp_path / "results.jsonl")).returncode == 0
    printed = mls("results", job).stdout
    assert [json.loads(line)["line"] for line in printed.splitlines()] == [1, 2]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 2
    assert mls("results", str(uuid4())).returncode == 1
    assert mls("show", str(uuid4())).returncode == 1
