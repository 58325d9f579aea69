"""Files of backups, by the docker engine: what the disk refuses is said in a sentence, and no backup costs another."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.common.errors import EngineError
from engine.docker import backups
from engine.docker.containers import Container
from tests.support.docker_programs import Programs

POSTGRES = Container("1", "postgres", "postgres", "running", None, 0, 1, 0, None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups go; `pg_dump` in the container writes one line."""
    programs = Programs(tmp_path / "bin")
    programs.folder.mkdir()
    programs.write("docker", "echo the whole database")
    monkeypatch.setenv("PATH", f"{programs.folder}:{os.environ['PATH']}")
    made = tmp_path / "backups"
    made.mkdir()
    return made


def back_up(*words: object) -> int:
    return backups.back_up(POSTGRES, ["backup", *map(str, words)])


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("name", ["x.dump", "-x.dump", "ы" * 100, " ", "a b'\"$(id)"])
def test_a_backup_of_any_name_is_whole_and_private(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "CALLER_FOLDER", folder)
    assert back_up("--", name) == 0
    assert (folder / name).read_text() == "the whole database\n"
    assert (folder / name).stat().st_mode & 0o777 == 0o600
    with pytest.raises(EngineError, match="never overwrites"):
        back_up("--", name)
    assert names_in(folder) == [name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere/x.dump", "No such file or directory"),
        ("file/x.dump", "Not a directory"),
        ("x" * 300, "File name too long"),
        (".", "never overwrites"),
        ("..", "never overwrites"),
        ("file", "never overwrites"),
        ("/proc/x.dump", "cannot be used"),
    ],
)
def test_a_backup_that_cannot_be_written_is_refused_in_a_sentence(name: str, words: str, folder: Path) -> None:
    (folder / "file").write_text("kept")
    with pytest.raises(EngineError, match=words):
        back_up(folder / name)
    assert names_in(folder) == ["file"]
    assert (folder / "file").read_text() == "kept"


def test_a_second_backup_to_one_file_leaves_the_first_alone(folder: Path) -> None:
    (folder / "x.dump.partial").write_text("the first, under way")
    with pytest.raises(EngineError, match=r"x\.dump\.partial is there: a backup to x\.dump is under way"):
        back_up(folder / "x.dump")
    assert (folder / "x.dump.partial").read_text() == "the first, under way"


def test_a_backup_that_was_finished_meanwhile_is_not_overwritten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def open_late(path: Path, *options: int) -> int:
        (folder / "x.dump").write_text("the other")
        return really_open(path, *options)

    monkeypatch.setattr(backups.os, "open", open_late)
    with pytest.raises(EngineError, match="never overwrites"):
        back_up(folder / "x.dump")
    assert (folder / "x.dump").read_text() == "the other"
    assert names_in(folder) == ["x.dump"]


def test_a_failed_backup_leaves_nothing(folder: Path) -> None:
    Programs(folder.parent / "bin").write("docker", "echo half; exit 3")
    assert back_up(folder / "x.dump") == 3
    assert names_in(folder) == []


@pytest.mark.parametrize("options", [["--check"], ["--replace"]])
def test_a_backup_that_cannot_be_read_is_refused_in_a_sentence(
    options: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another user's; root could read it, so the refusal is made here."""
    (folder / "x.dump").write_text("a backup")

    def refuse(file: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    for looked_at in ("open", "is_file"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, looked_at, refuse)
            with pytest.raises(EngineError, match=r"x\.dump cannot be used: Permission denied\.$"):
                backups.check_restore(POSTGRES, ["restore", str(folder / "x.dump"), *options])
