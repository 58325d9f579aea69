"""`mls --out` writes what is named, whatever it is, and knows before anything is paid that it can."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mls import cli
from mls._output import opened
from tests.clients.local_server import PREDICTION_ID, LocalExchange, Served, serving

LINE = b'{"line":1,"id":null,"status":"succeeded","output":{"text":"x"},"error":null,"cost":1}\n'
TABLE = b"line,status\r\n1,succeeded\r\n"


def answer_bulk(exchange: LocalExchange) -> None:
    """A job of one line that is over, and its results."""
    if "format=csv" in exchange.path:
        exchange.send(200, TABLE, "text/csv")
    elif "/results" in exchange.path:
        exchange.send(200, LINE, "application/x-ndjson")
    else:
        now = "2026-11-27T12:00:00Z"
        counts = {
            "lines": 1,
            "lines_invalid": 0,
            "succeeded": 1,
            "failed": 0,
            "canceled": 0,
            "cost_max": 1,
            "charged": 1,
        }
        job = {"bulk_id": str(PREDICTION_ID), "status": "finished", "model": "echo", "version": "1", **counts}
        job |= {"estimated_s": None, "error_code": None, "created_at": now, "finished_at": now}
        exchange.send(200, json.dumps(job).encode())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(answer_bulk) as served:
        monkeypatch.setenv("MLS_URL", served.url)
        monkeypatch.setenv("MLS_API_KEY", "mls_test")
        yield served


def write(out: object) -> int:
    return cli.main(["results", str(PREDICTION_ID), "--out", str(out)])


@pytest.mark.usefixtures("served")
def test_a_link_stays_one_and_the_file_that_it_names_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file, link, new = tmp_path / "elsewhere/results", tmp_path / "link.csv", tmp_path / "new.jsonl"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    assert write(link) == 0
    assert (link.is_symlink(), file.read_bytes(), file.stat().st_mode & 0o777) == (True, TABLE, 0o600)
    new.symlink_to("elsewhere/new")
    assert write(new) == 0
    assert (tmp_path / "elsewhere/new").read_bytes() == LINE
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["elsewhere", "link.csv", "new", "new.jsonl", "results"]


@pytest.mark.usefixtures("served")
@pytest.mark.timeout(60)
def test_a_pipe_gets_the_results_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert write(pipe) == 0
    reader.join()
    assert (read, pipe.is_fifo(), len(list(tmp_path.iterdir()))) == ([TABLE], True, 1)


@pytest.mark.usefixtures("served")
def test_a_descriptor_gets_the_results_after_what_it_has(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as end, os.fdopen(writing, "wb") as begin:
        assert write(f"/dev/fd/{begin.fileno()}") == 0
        begin.close()
        assert end.read() == LINE
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    with log.open("ab") as file:
        assert write(f"/dev/fd/{file.fileno()}") == 0
        file.write(b"after\n")
    assert log.read_bytes() == b"before\n" + LINE + b"after\n"


@pytest.mark.usefixtures("served")
def test_a_device_is_written_as_it_is() -> None:
    controlling, terminal = os.openpty()
    try:
        assert write(os.ttyname(terminal)) == 0
        assert os.read(controlling, 1000) == LINE.replace(b"\n", b"\r\n")
    finally:
        os.close(controlling)
        os.close(terminal)


def test_what_cannot_be_written_is_said_before_anything_is_sent(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.csv"
    too_long = tmp_path / ("x" * 250)  # as a folder without the right to write, which root has anywhere
    lines.write_text("text\none\n")
    (tmp_path / "link.csv").symlink_to(lines)
    for wrong in (too_long, tmp_path, tmp_path / "missing/x.csv", lines, tmp_path / "link.csv", "/dev/fd/1000000"):
        with pytest.raises(SystemExit) as ended:
            cli.main(["bulk", str(lines), "--out", str(wrong)])
        assert ended.value.code == 2
        assert "mls: error: " in capsys.readouterr().err
    assert served.requests == []
    assert lines.read_text() == "text\none\n"
    assert cli.main(["bulk", str(lines), "--out", str(tmp_path / "good.csv")]) == 0
    assert (tmp_path / "good.csv").read_bytes() == TABLE


@pytest.mark.usefixtures("served")
def test_what_is_written_is_nobody_elses_file(tmp_path: Path) -> None:
    """Not one that the user has, whatever it is called, and not that of another command with the same --out."""
    other, out = tmp_path / "x.csv.partial", tmp_path / "x.csv"
    other.write_text("text\none\n")
    with opened(str(out)) as first, opened(str(out)) as second:
        assert write(out) == 0
        assert (out.read_bytes(), other.read_text()) == (TABLE, "text\none\n")
        first.write(b"first")
        second.write(b"second")
    assert out.read_bytes() == b"first"  # the one that ended last, and whole
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.csv", "x.csv.partial"]


def test_a_new_file_may_be_read_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with opened(str(tmp_path / "new")) as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
