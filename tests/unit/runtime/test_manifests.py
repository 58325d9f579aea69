"""What `models manifest` writes is what a model is loaded by, whatever its files are called."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_service.cli import model_manifests
from ml_service.domain.errors import InvalidInput
from ml_service.runtime.author import WrongWeights
from ml_service.runtime.author.weights import path_of, refuse_missing_packages, verified
from ml_service.runtime.locations import MANIFEST_FILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    verified.cache_clear()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").write_text("a")
    return tmp_path


def names_in(folder: Path) -> set[str]:
    return {*json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))["files"]}


PIECES = st.sampled_from(
    [
        b"a",
        b".",
        b"..",
        b":",
        b"epoch=1:step=5",
        b"os:path",
        b" ",
        b"-",
        b"\n",
        b"\xff",
        "ж".encode(),
        b"x.py",
        b"weights",
    ]
)
NAMES = st.lists(PIECES, min_size=1, max_size=3).map(b"".join).filter(lambda name: name not in (b".", b".."))
SPELLINGS = st.sampled_from([b"%s", b"./%s", b".//%s", b"%s/", b"weights/../%s", b".", None])


@settings(deadline=None, max_examples=200)
@given(one=NAMES, other=NAMES, where=st.sampled_from([b"", b"weights/"]), spelling=SPELLINGS)
@example(one=b"epoch=1:step=5", other=b"a", where=b"", spelling=b"%s")
@example(one=b"a", other=b"os:path", where=b"weights/", spelling=b"./%s")
@example(one=b"\xff", other=b"a", where=b"", spelling=None)
def test_a_manifest_that_is_written_verifies(one: bytes, other: bytes, where: bytes, spelling: bytes | None) -> None:
    with TemporaryDirectory() as made:
        folder = Path(made)
        files = [one + b".safetensors", where + other + b".onnx"]
        for name in files:
            file = folder / os.fsdecode(name)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(b"x" + name)
        wanted = [os.fsdecode(spelling.replace(b"%s", name)) for name in files] if spelling else []
        try:
            text = model_manifests.text_of(folder, wanted)
        except InvalidInput:
            return
        model_manifests.write(folder, text)
        refuse_missing_packages(folder)
        for name, file in verified(folder).items():
            assert file == path_of(folder, name) == folder / name
            assert Path(name).as_posix() == name
        assert model_manifests.text_of(folder, wanted) == text
        assert [each for each in folder.iterdir() if each.name.startswith(f".{MANIFEST_FILE}")] == []


@pytest.mark.parametrize("name", ["epoch=1:step=5.safetensors", "os:path.onnx", "a b.onnx"])
def test_a_colon_means_a_package_only_where_there_is_no_such_file(folder: Path, name: str) -> None:
    (folder / name).write_text("x")
    model_manifests.write(folder, model_manifests.text_of(folder, [f"./{name}"]))
    assert path_of(folder, name) == folder / name


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', "[" * 100_000])
def test_a_damaged_manifest_is_written_again_as_it_advises(folder: Path, text: str) -> None:
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(WrongWeights, match="models manifest"):
        verified(folder)
    model_manifests.write(folder, model_manifests.text_of(folder, []))
    assert {*verified(folder)} == {"weights/a.safetensors"}


def test_a_name_that_is_not_utf_8_is_refused_in_a_sentence(folder: Path) -> None:
    (folder / "weights" / os.fsdecode(b"\xff.onnx")).write_text("x")
    with pytest.raises(InvalidInput, match="has a name that is not UTF-8: rename it"):
        model_manifests.text_of(folder, [])
    assert all(name.isprintable() and name.encode() for name in model_manifests.unverified(folder))


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can be made larger than 10 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_manifest_that_cannot_be_written_leaves_the_one_before(folder: Path) -> None:
    model_manifests.write(folder, model_manifests.text_of(folder, []))
    before = (folder / MANIFEST_FILE).read_text()
    with full_disk(), pytest.raises(InvalidInput, match=r"cannot be written here .File too large."):
        model_manifests.write(folder, before + "more")
    assert (folder / MANIFEST_FILE).read_text() == before
    assert {each.name for each in folder.iterdir()} == {"weights", MANIFEST_FILE}


def test_a_linked_folder_among_the_weights_is_a_stranger(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model_manifests.write(folder, model_manifests.text_of(folder, []))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "b.safetensors").write_text("nobody's")
    (folder / "weights" / "more.py").symlink_to(elsewhere)
    with pytest.raises(WrongWeights, match=r"more\.py is not in weights\.json"):
        path_of(folder, "weights")
    (folder / "weights" / "more.py").rename(folder / "weights" / "more")
    with pytest.raises(InvalidInput, match="link"):
        model_manifests.text_of(folder, [])


def test_the_manifest_does_not_name_itself(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps({"files": {}}))
    with pytest.raises(InvalidInput, match="cannot name itself"):
        model_manifests.text_of(folder, [f"./{MANIFEST_FILE}"])
    (folder / "weights" / MANIFEST_FILE).write_text("another program's")
    model_manifests.write(folder, model_manifests.text_of(folder, ["."]))
    assert names_in(folder) == {"weights/a.safetensors", f"weights/{MANIFEST_FILE}"}


@pytest.mark.parametrize("wanted", [[], ["weights"]])
def test_a_file_is_no_manifest_by_its_name_in_a_folder(folder: Path, wanted: list[str]) -> None:
    (folder / "weights" / MANIFEST_FILE).write_text("{}")
    model_manifests.write(folder, model_manifests.text_of(folder, wanted))
    assert names_in(folder) == {"weights/a.safetensors", f"weights/{MANIFEST_FILE}"} == {*verified(folder)}


@pytest.mark.parametrize("wanted", [[], ["weights"]])
def test_a_link_to_a_folder_is_no_code_by_its_name(folder: Path, wanted: list[str]) -> None:
    (folder / "other").mkdir()
    (folder / "weights" / "more.py").symlink_to(folder / "other")
    with pytest.raises(InvalidInput, match=r"more\.py is a link to a folder"):
        model_manifests.text_of(folder, wanted)


def test_a_manifest_that_is_a_link_stays_one(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real" / "weights-1.json").write_text("{}")
    (folder / MANIFEST_FILE).symlink_to("real/weights-1.json")
    model_manifests.write(folder, model_manifests.text_of(folder, ["weights"]))
    assert (folder / MANIFEST_FILE).is_symlink()
    assert names_in(folder) == {"weights/a.safetensors"}
    assert [one.name for one in (folder / "real").iterdir()] == ["weights-1.json"]
