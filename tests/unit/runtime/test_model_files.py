"""Code that was changed, and files that cannot be read, are noticed before a model's process starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_service.runtime.host.model_files import ModelFilesError, fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text("A = 1\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "helper.py").write_text("B = 1\n")
    (tmp_path / "weights.bin").write_bytes(b"\x00")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "model.py").write_text("A = 2\n"),
        lambda folder: (folder / "parts" / "helper.py").write_text("B = 2\n"),
        lambda folder: (folder / "parts" / "helper.py").unlink(),
        lambda folder: (folder / "new.py").touch(),
        lambda folder: (folder / "model.py").rename(folder / "renamed.py"),
    ],
    ids=["edited", "a helper edited", "removed", "added", "renamed"],
)
def test_changed_code_has_another_fingerprint(folder: Path, change: Callable[[Path], object]) -> None:
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: os.utime(folder / "model.py", (1, 1)),
        lambda folder: (folder / "weights.bin").write_bytes(b"\x01"),
        lambda folder: (folder / "cache.json").write_text("{}"),
        lambda folder: (folder / "__pycache__").mkdir() or (folder / "__pycache__" / "x.py").touch(),
        lambda folder: (folder / ".model.py.swp").touch(),
    ],
    ids=["touched", "weights", "a cache", "bytecode", "an editor's file"],
)
def test_files_beside_the_code_do_not_change_the_fingerprint(folder: Path, change: Callable[[Path], object]) -> None:
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder) == before


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def access(path: os.PathLike[str], _mode: int) -> bool:
        return Path(path).name != "weights.bin"

    monkeypatch.setattr(os, "access", access)  # root may read everything
    with pytest.raises(ModelFilesError, match=r"weights.bin may not be read by this user \(id \d+\): chmod a\+r it"):
        fingerprint(folder)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match="nowhere cannot be read: No such file or directory"):
        fingerprint(tmp_path / "nowhere")
