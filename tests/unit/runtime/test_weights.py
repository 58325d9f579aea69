"""Weights are the files that the manifest names, or the model is not loaded and says why."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_service.runtime.author import WrongWeights
from ml_service.runtime.author.weights import manifest_of, path_of, verified
from ml_service.runtime.host.model_files import fingerprint
from ml_service.runtime.host.model_folders import survey
from ml_service.runtime.locations import MANIFEST_FILE

NAMES = ("model.onnx", "parts/a.safetensors", "parts/config.json")


@pytest.fixture(autouse=True)
def _verified_anew() -> None:
    verified.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with weights and their manifest."""
    mine = tmp_path / "my_model"
    (mine / "parts").mkdir(parents=True)
    for name in NAMES:
        (mine / name).write_text(f"weights of {name}")
    (mine / "notes.md").write_text("Not weights.")
    (mine / MANIFEST_FILE).write_text(manifest_of(mine, NAMES))
    return mine


def reason(folder: Path) -> str:
    with pytest.raises(WrongWeights) as caught:
        verified(folder)
    return str(caught.value)


def name_it(folder: Path, name: str) -> None:
    """Name a file in the manifest as somebody might who writes it by hand."""
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    files[name] = {"sha256": "0" * 64, "bytes": 1}
    (folder / MANIFEST_FILE).write_text(json.dumps({"files": files}))


def test_a_model_gets_the_paths_that_its_manifest_names_and_no_others(folder: Path) -> None:
    assert path_of(folder, "model.onnx") == folder / "model.onnx"
    assert path_of(folder, "parts") == folder / "parts"
    with pytest.raises(WrongWeights, match=r"does not name notes.md: python3 start.py --cli models manifest my-model"):
        path_of(folder, "notes.md")


def test_without_a_manifest_nothing_is_verified_and_no_path_is_given(folder: Path) -> None:
    (folder / MANIFEST_FILE).unlink()
    assert verified(folder) == {}
    with pytest.raises(WrongWeights, match="models manifest my-model"):
        path_of(folder, "model.onnx")


@pytest.mark.parametrize("name", ["weights", "weights/", "another.onnx", "empty", "\0", "x" * 300])
def test_weights_that_are_not_there_are_said_to_be_missing(folder: Path, name: str) -> None:
    (folder / "empty" / ".cache").mkdir(parents=True)
    (folder / "empty" / ".cache" / "lock").touch()
    with pytest.raises(WrongWeights, match=r"weights are missing.* Put them there, then: .* models manifest my-model"):
        path_of(folder, name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda file: file.write_text("weights of model.ONNX"), "SHA-256"),
        (lambda file: file.write_text("half"), "4 bytes, expected 21"),
        (lambda file: file.unlink(), "No such file"),
    ],
    ids=["changed", "cut off", "missing"],
)
def test_a_file_that_is_not_as_the_manifest_says_is_named(
    folder: Path, change: Callable[[Path], object], expected: str
) -> None:
    change(folder / "model.onnx")
    said = reason(folder)
    assert str(folder / "model.onnx") in said
    assert expected in said


def test_a_file_that_nobody_named_may_not_lie_among_the_weights(folder: Path) -> None:
    (folder / "parts" / ".cache").mkdir()
    (folder / "parts" / ".cache" / "lock").touch()
    verified(folder)
    verified.cache_clear()
    (folder / "parts" / "sub").mkdir()
    (folder / "parts" / "sub" / "b.safetensors").touch()
    assert "sub/b.safetensors is not in weights.json: delete it" in reason(folder)


def test_a_link_that_leads_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.onnx").write_text("weights of model.onnx")
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    assert "outside of the model's folder: copy the file there" in reason(folder)
    with pytest.raises(WrongWeights, match="outside of the model's folder"):
        manifest_of(folder, ["model.onnx"])


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/model.onnx", "", "no-package:file", "a:../b"])
def test_a_name_that_is_no_path_inside_is_refused(folder: Path, name: str) -> None:
    name_it(folder, name)
    assert "is no path inside the model's folder" in reason(folder)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "parts/model.PT", "model.pkl.gz", "x.ckpt"])
def test_a_pickle_is_refused_by_its_name_with_what_to_use_instead(folder: Path, name: str) -> None:
    (folder / name).write_text("whatever")
    name_it(folder, name)
    assert "runs the code inside it. Keep the weights as safetensors, ONNX or skops" in reason(folder)
    with pytest.raises(WrongWeights, match="safetensors, ONNX or skops"):
        manifest_of(folder, [name])


def test_a_pickle_is_refused_by_its_content_whatever_it_is_called(folder: Path) -> None:
    (folder / "model.bin").write_bytes(pickle.dumps({"weights": [1.0]}))
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:  # what torch.save writes
        archive.writestr("archive/data.pkl", pickle.dumps({"weights": [1.0]}))
    for name in ("model.bin", "pytorch_model.bin"):
        with pytest.raises(WrongWeights, match="is a pickle"):
            manifest_of(folder, [name])
        name_it(folder, name)
        assert "is a pickle" in reason(folder)
    (folder / "plain.bin").write_bytes(b"\x80 is no pickle")
    assert "plain.bin" in manifest_of(folder, ["plain.bin"])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": []}', '{"files": {"a": {}}}', '{"files": {"a": {"sha256": "x", "bytes": 1}}}']
)
def test_what_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST_FILE).write_text(text)
    assert f"{folder / MANIFEST_FILE} is no manifest" in reason(folder)


def test_a_package_that_is_not_there_is_named(folder: Path) -> None:
    name_it(folder, "no_such_package:weights.bin")
    assert "The package no_such_package, which carries weights of my-model, is not installed here" in reason(folder)


def test_a_changed_manifest_is_changed_code(folder: Path) -> None:
    before = fingerprint(folder)
    name_it(folder, "another.onnx")
    assert fingerprint(folder) != before


def test_the_weights_of_all_bundled_models_are_as_their_manifests_say(tmp_path: Path) -> None:
    # What is in an environment of its own is verified there: tests/integration/runtime/test_entities_ru.py
    models = survey(tmp_path).models.values()
    folders = [each.path.parent for each in models if not (each.path.parent / "requirements.txt").exists()]
    folders = [each for each in folders if each.name != "echo"]
    assert len(folders) >= 6
    for each in folders:
        files = verified(each)
        assert files
        assert json.loads(manifest_of(each, files)) == json.loads((each / MANIFEST_FILE).read_text())
