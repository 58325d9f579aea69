"""Weights in one file for all processes' sessions: `ml_service.runtime.bundled.shared_session`."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import magika
import numpy as np
import pytest
from numpy.typing import NDArray

from ml_service.runtime.bundled import shared_arrays, shared_session
from ml_service.runtime.bundled.e5 import E5Encoder
from ml_service.runtime.bundled.sentiment.model import Sentiment
from ml_service.runtime.bundled.shared_session import SharedSession

GRAPH = Path(magika.__file__).parent / "models" / "standard_v3_3" / "model.onnx"
INPUTS = {"bytes": np.arange(2048, dtype=np.int32)[None] % 256}
E5_MATRICES_BYTES = 20_000_000
PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
from ml_service.platform.free_memory import give_back
from ml_service.runtime.bundled.shared_session import shared_session

def kib():
    give_back()
    return int(re.search(r"Anonymous: +([0-9]+)", Path("/proc/self/smaps_rollup").read_text())[1])

session = shared_session("some", Path(sys.argv[1]))
before = kib()
session.run(None, {"bytes": np.zeros((1, 2048), dtype=np.int32)})
print(kib() - before, *({"numpy.ma", "tempfile"} & set(sys.modules)))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(shared_arrays.FOLDER_VARIABLE, str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def answer() -> NDArray[np.float32]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(shared_arrays.FOLDER_VARIABLE, raising=False)
        return answer_of(shared_session.shared_session("some", GRAPH), is_mapped=False)


def answer_of(session: SharedSession, *, is_mapped: bool) -> NDArray[np.float32]:
    assert session.is_mapped == is_mapped
    (found,) = session.run(None, INPUTS)
    assert isinstance(found, np.ndarray)
    return found


def refuse(*_: object) -> None:
    raise AssertionError("it is there")


def test_a_session_is_written_once_and_then_mapped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: NDArray[np.float32]
) -> None:
    first = shared_session.shared_session("some", GRAPH)
    monkeypatch.setattr(shared_session, "_write", refuse)
    second = shared_session.shared_session("some", GRAPH)
    for session in (first, second):
        assert (answer_of(session, is_mapped=True) == answer).all()
    assert sorted(file.suffix for file in folder.iterdir()) == [".lock", ".session"]


@pytest.mark.parametrize("name", ["graph.onnx", "weights", "sha256"])
def test_a_damaged_file_is_written_again(folder: Path, name: str, answer: NDArray[np.float32]) -> None:
    shared_session.shared_session("some", GRAPH)
    (file,) = folder.glob(f"*.session/{name}")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"\1")
    assert (answer_of(shared_session.shared_session("some", GRAPH), is_mapped=True) == answer).all()
    assert file.read_bytes() == whole


def test_what_another_processor_wrote_goes_when_this_ones_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = shared_session._processor()
    monkeypatch.setattr(shared_session, "_processor", lambda: "another one")
    shared_session.shared_session("some", GRAPH)
    shared_session.shared_session("other", GRAPH)
    monkeypatch.setattr(shared_session, "_processor", lambda: ours)
    others = set(folder.glob("some-*.session"))
    assert shared_session.shared_session("some", GRAPH).is_mapped
    names = sorted(place.name.partition("-")[0] for place in folder.glob("*.session"))
    assert names == ["other", "some"]
    assert not others & set(folder.glob("some-*.session"))


@pytest.mark.usefixtures("folder")
def test_weights_are_private_when_they_are_not_the_expected_ones(answer: NDArray[np.float32]) -> None:
    session = shared_session.shared_session("some", GRAPH, "0" * 64)
    assert (answer_of(session, is_mapped=False) == answer).all()


def test_weights_are_private_where_the_files_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: NDArray[np.float32]
) -> None:
    monkeypatch.setattr(shared_session, "_GRAPH", "no-such-folder/graph.onnx")
    assert (answer_of(shared_session.shared_session("some", GRAPH), is_mapped=False) == answer).all()
    assert not list(folder.glob("*.session*"))


def test_nobody_waits_long_for_a_process_that_was_stopped_while_it_wrote(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_arrays, "LOCK_WAIT_S", 0.05)
    folder.mkdir()
    place = folder / f"some-{shared_session._key(GRAPH, shared_session.NO_ARRAYS_SHA256)}.lock"
    with place.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not shared_session.shared_session("some", GRAPH).is_mapped
    assert shared_session.shared_session("some", GRAPH).is_mapped


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_matrices_with_which_e5_computes_are_mapped_in_their_order(folder: Path) -> None:
    before = mapped_bytes(folder)
    encoder = E5Encoder(Sentiment().weights)
    assert mapped_bytes(folder) - before > E5_MATRICES_BYTES
    assert encoder.vector("fine").shape == (384,)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_an_input_took_is_given_back(folder: Path) -> None:
    shared_session.shared_session("some", GRAPH)
    assert folder.exists()
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(GRAPH)], capture_output=True, text=True, check=True)
    (kib,) = done.stdout.split()  # and none of the modules that only few need
    assert int(kib) < 1024, "an arena of ONNX Runtime keeps 3 MiB"


def mapped_bytes(folder: Path) -> int:
    size = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        if str(folder) in line and line.endswith("/weights"):
            start, _, stop = line.partition(" ")[0].partition("-")
            size += int(stop, 16) - int(start, 16)
    return size
