"""`ml-service models restart` and `check` look at the files first, and at what the running service knows of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.common.state import ROOT
from ml_service.domain.models import ModelState
from ml_service.storage import model_restarts, models, workers
from ml_service.storage.database import Database
from tests.support.service import ECHO

Run = Callable[..., str]

MINE = """
from ml_service.runtime.author import Model

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."
    input_schema = output_schema = {"type": "object"}
    examples = [{"text": "x"}]

    def predict(self, inputs):
        return inputs
"""
OTHER_SCHEMA = MINE.replace('{"type": "object"}', '{"type": "object", "title": "Other"}')
SPEC = replace(ECHO, name="mine", input_schema={"type": "object"}, output_schema={"type": "object"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a model ``mine``."""
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(MINE)
    return folder / "model.py"


@pytest.fixture
async def run(file: Path, database_url: str, database: Database) -> Run:
    """Run a command of `ml-service models` while one worker serves ``mine@1``; what it printed."""
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "SETTINGS_FOLDER": "/nowhere",
        "COLUMNS": "200",
        "MODELS_FOLDER": str(file.parents[1]),
    }
    async with database.begin() as session:
        await models.announce(session, [SPEC])
        states = {"mine": ModelState("ready", "1", "", "default"), "bad": ModelState("failed", None, "Cannot.", "")}
        await workers.beat(
            *(session, "worker-1-a", 1, "h", 1),
            pools=["default"],
            models=["mine@1"],
            model_states=states,
            state="ready",
            lease_s=600,
        )

    def act(*arguments: str, expected: int = 0, **more: str) -> str:
        command = [sys.executable, "-m", "ml_service.cli", "models", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=env | more, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    return act


async def was_asked(database: Database) -> bool:
    """Whether the workers were asked since the last time; asks."""
    async with database.begin() as session:
        asked = await model_restarts.asked(session)
        await session.execute("UPDATE models SET restart_asked_at = NULL")
    return bool(asked)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class Mine(:", "SyntaxError"),
        ("import no_such_package", "no_such_package"),
        (MINE.replace('"A test."', "5"), "declares what cannot be: description"),
        (OTHER_SCHEMA, "announced with other schemas"),
        (MINE.replace('version = "1"', 'version = "2"'), "no worker would be left with the default version, 1"),
    ],
)
async def test_files_that_no_worker_could_serve_are_refused_before_any_is_asked(
    run: Run, file: Path, database: Database, code: str, said: str
) -> None:
    assert "The workers load mine again" in run("restart", "mine")
    assert await was_asked(database)
    file.write_text(code)  # noqa: ASYNC240 - it takes a moment
    refused = run("restart", "mine", expected=1)
    assert said in refused
    assert len(refused.strip().splitlines()) == 1
    assert not await was_asked(database)
    assert "The workers load mine again" in run("restart", "mine", "--anyway")
    assert await was_asked(database)


def test_a_folder_that_is_not_here_is_refused_if_it_is_served(run: Run, file: Path) -> None:
    file.unlink()
    file.parent.rmdir()
    assert "There is no folder of mine here" in run("restart", "mine", expected=1)
    assert "The workers load mine again" in run("restart", "mine", "--anyway")
    assert "nothing to forget" in run("forget", "bad", expected=1)
    unknown = run("restart", "nobody", expected=1)
    assert "No worker knows a model 'nobody'" in unknown
    assert "python3 start.py --restart" in unknown


def test_a_model_that_no_worker_could_load_is_restarted(run: Run, file: Path) -> None:
    folder = file.parents[1] / "bad"
    folder.mkdir()
    (folder / "model.py").write_text(MINE.replace('"mine"', '"bad"'))
    assert "The workers load bad again" in run("restart", "bad")


def test_the_version_of_the_files_is_told_for_the_containers(run: Run, file: Path) -> None:
    assert run("declared", "mine") == "1\n"
    file.write_text("import no_such_package")
    assert "no_such_package" in run("declared", "mine", expected=1)


def test_a_check_says_that_a_changed_schema_needs_a_new_version(run: Run, file: Path) -> None:
    assert "The example is right." in run("check", "mine")
    file.write_text(OTHER_SCHEMA)
    refused = run("check", "mine", expected=1)
    assert "mine@1 was announced with other schemas" in refused
    assert "is right" not in refused
    assert "The example is right." in run("check", "mine", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    file.write_text(OTHER_SCHEMA.replace('version = "1"', 'version = "2"'))
    assert "The example is right." in run("check", "mine")
