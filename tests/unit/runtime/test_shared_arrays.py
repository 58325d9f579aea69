"""Arrays in one file for all processes: `ml_service.runtime.bundled.shared_arrays`."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml_service.runtime.bundled import shared_arrays as module
from ml_service.runtime.bundled.e5 import E5Encoder
from ml_service.runtime.bundled.embedding.model import Embedding
from ml_service.runtime.bundled.encoder import SentenceEncoder
from ml_service.runtime.bundled.sentiment.model import Sentiment
from ml_service.runtime.bundled.shared_arrays import Arrays, Rows, SharedArrays, content_sha256, shared_arrays

ARRAYS = {"a": np.arange(7, dtype=np.int8), "b": np.eye(3, dtype=np.float32), "none": np.empty((0, 2))}
SHA256 = content_sha256(ARRAYS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(module.FOLDER_VARIABLE, str(tmp_path / "weights"))
    return tmp_path / "weights"


def ours(make: Callable[[], Arrays] = lambda: ARRAYS) -> SharedArrays:
    shared = shared_arrays("some", SHA256, make)
    assert list(shared.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (shared.arrays[name] == array).all()
        assert shared.arrays[name].dtype == array.dtype
    return shared


def not_again() -> Arrays:
    raise AssertionError("they are there")


def test_arrays_are_made_once_and_then_mapped(folder: Path) -> None:
    first = ours()
    second = ours(not_again)
    assert first.are_mapped
    assert second.are_mapped
    assert (second.arrays["b"] == ARRAYS["b"]).all()
    assert not second.arrays["a"].flags.writeable
    assert [file.suffix for file in sorted(folder.iterdir())] == [".arrays", ".lock"]


@pytest.mark.usefixtures("folder")
def test_rows_of_a_matrix_are_read_and_not_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped = ours().rows("b")
    assert isinstance(mapped, Rows)
    monkeypatch.delenv(module.FOLDER_VARIABLE)
    for rows in (mapped, ours().rows("b")):
        assert (rows[[2, 0, 2]] == ARRAYS["b"][[2, 0, 2]]).all()
        assert (rows[np.array([1])] == ARRAYS["b"][[1]]).all()
        assert rows[[]].shape == (0, 3)


@pytest.mark.parametrize("damage", [b"", b"other", None])
def test_a_damaged_file_is_made_again(folder: Path, damage: bytes | None) -> None:
    ours()
    (file,) = folder.glob("*.arrays")
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[:-1] + b"\1" if damage is None else damage)
    assert ours().are_mapped
    assert file.read_bytes() == whole


def test_another_versions_file_goes_when_this_versions_is_made(folder: Path) -> None:
    old = {"a": np.zeros(3)}
    shared_arrays("some", content_sha256(old), lambda: old)
    shared_arrays("other", content_sha256(old), lambda: old)
    ours()
    names = sorted(file.name.partition("-")[0] for file in folder.glob("*.arrays"))
    assert names == ["other", "some"]


def test_arrays_are_private_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(module.FOLDER_VARIABLE, raising=False)
    assert not ours().are_mapped


def test_arrays_are_private_where_no_folder_can_be_made(folder: Path) -> None:
    folder.write_text("a file, as nobody can write there")
    assert not ours().are_mapped


@pytest.mark.usefixtures("folder")
def test_arrays_are_private_when_they_are_not_the_expected_ones() -> None:
    shared = shared_arrays("some", "0" * 64, lambda: ARRAYS)
    assert not shared.are_mapped
    assert (shared.arrays["a"] == ARRAYS["a"]).all()


def test_nobody_waits_long_for_a_process_that_was_stopped_while_it_made_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours()
    (file,) = folder.glob("*.arrays")
    file.unlink()
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.05)
    with file.with_suffix(".lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not ours().are_mapped
    assert ours().are_mapped


def test_a_bundled_model_asks_for_no_huge_pages() -> None:
    code = (
        "import ml_service.runtime.bundled.sentiment.classifier\n"
        "from numpy._core import multiarray\n"
        "print(multiarray._get_madvise_hugepage())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("encoder", "name"),
    [(lambda: E5Encoder(Sentiment().weights), "e5"), (lambda: SentenceEncoder(Embedding().weights), "use")],
)
def test_an_encoder_answers_the_same_from_the_shared_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, encoder: Callable[[], E5Encoder | SentenceEncoder], name: str
) -> None:
    texts = ["Доставили вовремя, всё отлично!", "It broke after a day."]
    mapped = encoder().encode(texts)
    assert [file.name.partition("-")[0] for file in folder.glob("*.arrays")] == [name]
    monkeypatch.delenv(module.FOLDER_VARIABLE)
    assert (mapped == encoder().encode(texts)).all()
