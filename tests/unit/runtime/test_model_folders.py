"""Models are found by where they are; folders that are none are named, never a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_service.runtime.host.model_folders import UnknownModel, discover, survey


def folder_with(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").touch()
    return tmp_path


def test_a_folder_with_a_model_file_is_a_model(tmp_path: Path) -> None:
    found = discover(folder=folder_with(tmp_path, "cats", "hot_dogs")).models
    assert tmp_path / "cats" / "model.py" == found["cats"].path
    assert found["hot-dogs"].name == "hot-dogs"
    assert not found["cats"].is_bundled


def test_the_benchmark_model_is_there_only_for_who_names_it(tmp_path: Path) -> None:
    assert "echo" not in discover(folder=tmp_path).models
    assert discover(["echo"], tmp_path).models["echo"].is_bundled


def test_a_name_with_a_plus_comes_besides_the_models_that_are_served_anyway(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "cats")
    (tmp_path / "empty").mkdir()
    found = discover(["+echo", "+cats"], folder)
    assert set(found.models) == {"echo", *discover(folder=folder).models}
    assert set(found.problems) == {"empty"}
    with pytest.raises(UnknownModel, match="no model dogs"):
        discover(["+dogs"], folder)


def test_a_users_model_takes_the_place_of_a_bundled_one(tmp_path: Path) -> None:
    assert not discover(folder=folder_with(tmp_path, "echo")).models["echo"].is_bundled


def test_named_models_come_in_the_order_of_their_names_as_given(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "a", "b")
    assert list(discover(["b", "a", "b"], folder).models) == ["b", "a"]


def test_a_model_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=r"There is no model dogs; there are: .*cats"):
        discover(["cats", "dogs"], folder_with(tmp_path, "cats"))
    with pytest.raises(UnknownModel, match=r"There is no model big_cats; .*The name of a model has - where its folder"):
        discover(["big_cats"], tmp_path)


def test_folders_that_are_no_models_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "README.md").touch()
    folder_with(tmp_path, "Wrong Name")
    found, here = survey(tmp_path), tmp_path.name
    assert found.problems == {
        "Wrong Name": f"{here}/Wrong Name has no model's name: lower case letters, digits and hyphens, up to 63.",
        "empty": f"{here}/empty has no model.py.",
    }
    assert {name for name, source in found.models.items() if not source.is_bundled} == set()


def test_two_folders_of_one_name_are_both_refused(tmp_path: Path) -> None:
    found = discover(folder=folder_with(tmp_path, "my-model", "my_model", "other"))
    assert "my-model" not in found.models
    assert "other" in found.models
    here = tmp_path.name
    assert found.problems == {
        "my-model": f"{here}/my-model and {here}/my_model are both the model my-model: rename or remove one."
    }


def test_a_broken_folder_is_not_quietly_replaced_by_the_bundled_model_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "echo").mkdir()
    found = survey(tmp_path)
    assert "echo" not in found.models
    assert "echo" in found.problems


def test_a_named_model_with_a_problem_does_not_stop_the_others(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "cats", "my-model", "my_model")
    found = discover(["cats", "my-model"], folder)
    assert list(found.models) == ["cats"]
    assert list(found.problems) == ["my-model"]
    with pytest.raises(UnknownModel, match="are both the model my-model"):
        discover(["my-model"], folder)


def test_a_folder_that_may_not_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_with(tmp_path, "cats")
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> object:
        if path.name == "model.py":
            raise PermissionError
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)  # root may open everything
    assert "may not be opened by this user" in survey(folder).problems["cats"]


def test_no_folder_of_own_models_is_no_problem(tmp_path: Path) -> None:
    assert "echo" in survey(tmp_path / "nowhere").models
