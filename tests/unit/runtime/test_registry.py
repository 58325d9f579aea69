"""Models are found by where they are; folders that are none are named, never a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_service.runtime.registry import UnknownModel, discover, survey


def folder_with(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").touch()
    return tmp_path


def test_a_folder_with_a_model_file_is_a_model(tmp_path: Path) -> None:
    found = discover(folder=folder_with(tmp_path, "cats", "hot_dogs"))
    assert tmp_path / "cats" / "model.py" == found["cats"].path
    assert found["hot-dogs"].name == "hot-dogs"
    assert not found["cats"].is_bundled


def test_the_benchmark_model_is_there_only_for_who_names_it(tmp_path: Path) -> None:
    assert "echo" not in discover(folder=tmp_path)
    assert discover(["echo"], tmp_path)["echo"].is_bundled


def test_a_users_model_takes_the_place_of_a_bundled_one(tmp_path: Path) -> None:
    assert not discover(["echo"], folder_with(tmp_path, "echo"))["echo"].is_bundled


def test_named_models_come_in_the_order_of_their_names_as_given(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "a", "b")
    assert list(discover(["b", "a", "b"], folder)) == ["b", "a"]


def test_a_model_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=r"There is no model dogs; there are: .*cats"):
        discover(["cats", "dogs"], folder_with(tmp_path, "cats"))


def test_folders_that_are_no_models_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "README.md").touch()
    folder_with(tmp_path, "Wrong Name")
    found, problems = survey(tmp_path)
    ours = [problem for problem in problems if str(tmp_path) in problem]
    assert ours == [
        f"{tmp_path}/Wrong Name has no model's name: lower case letters, digits and hyphens, up to 63.",
        f"{tmp_path}/empty has no model.py.",
    ]
    assert {name for name, source in found.items() if not source.is_bundled} == set()


def test_no_folder_of_own_models_is_no_problem(tmp_path: Path) -> None:
    assert "echo" in survey(tmp_path / "nowhere")[0]
