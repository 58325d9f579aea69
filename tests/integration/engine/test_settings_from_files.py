"""What the engine itself reads of the settings, it reads from the project's files too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.native import commands, model_environments, plan


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in which nothing runs."""
    for module in (commands, model_environments, plan):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("MODELS_FOLDER", "LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(commands.control, "ask", lambda *_: None)
    return tmp_path


@pytest.mark.parametrize("where", ["environment", ".env", "services/ml_worker/.env"])
@pytest.mark.parametrize("folder", ["mine", "/srv/models"])
def test_models_are_looked_for_where_the_workers_find_them(
    where: str, folder: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model_environments.models_folder() == root / "models"
    if where == "environment":
        monkeypatch.setenv("MODELS_FOLDER", folder)
    else:
        (root / where).parent.mkdir(parents=True, exist_ok=True)
        (root / where).write_text(f"MODELS_FOLDER={folder}\n")
    assert model_environments.models_folder() == root / folder
    given: dict[str, str] = {}

    def run_cli(_: Any, env: dict[str, str]) -> int:
        given.update(env)
        return 0

    monkeypatch.setattr(commands, "_run_cli", run_cli)
    assert commands.cli(["models", "list"]) == 0
    assert given["MODELS_FOLDER"] == str(root / folder)


def test_no_programs_environment_hides_what_a_file_says_of_its_log(root: Path) -> None:
    made = plan.Plan(cwd=root, secrets={"jwt_secret": "x"})
    assert not any("LOG_FORMAT" in made.environment(role) for role in ("app", "bot", "worker", None))
