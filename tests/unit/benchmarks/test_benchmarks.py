"""The benchmarks are no part of CI; this keeps them from rotting until the next run."""

from __future__ import annotations

import ast
import asyncio
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import peer
from benchmarks.__main__ import BENCHMARKS
from benchmarks.load_generator import LoadPlan, ask, request
from benchmarks.report import Bar, Report, markdown, svg

REPORT = Report("a < b", ["", "per second"], [["one", "2"]], [Bar("one & only", 2.0, ours=True)], "/s", ["A note."])


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_can_be_imported_and_run(name: str) -> None:
    assert asyncio.iscoroutinefunction(import_module(f"benchmarks.{name}").run)


@pytest.mark.parametrize("name", peer.PEERS)
def test_each_peer_has_a_file_that_says_how_it_is_started(name: str) -> None:
    file = Path(*peer.module_of(name).split(".")).with_suffix(".py")
    assert "work | publish | serve" in (ast.get_docstring(ast.parse(file.read_text())) or "")


def test_a_report_is_a_picture_and_a_table() -> None:
    picture = ET.fromstring(svg(REPORT))  # noqa: S314  our own
    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert texts == ["a < b", "one & only", "2.00 /s"]
    assert "| one | 2 |" in markdown(REPORT)


@pytest.mark.parametrize("rate", [None, 200.0])
async def test_the_load_counts_answers_and_their_statuses(rate: float | None) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n")
            await writer.drain()
            writer.write(b"{}")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        plan = LoadPlan(port, (request("/", "token", {"a": 1}),), 4, seconds=0.3, warm_up_s=0.1, rate=rate)
        outcome = await ask(plan)
    assert set(outcome.statuses) == {"202"}
    assert outcome.answers == sum(outcome.statuses.values()) > 20
    assert 0 < outcome.p50_ms <= outcome.p99_ms <= outcome.max_ms
