"""Bulk jobs by the Python client and by `mls`, against a started system."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from mls import AsyncClient, BulkNotFinished, Client, Progress, errors
from tests.clients.people import FaultyWire, Registered

pytestmark = pytest.mark.slow


def test_a_file_is_answered_line_by_line_and_paid_by_line(client: Client, tmp_path: Path) -> None:
    before = client.balance().balance
    file = tmp_path / "lines.csv"
    file.write_text("id,review\na,first\nb,second\nc,third\n")
    told: list[Progress] = []
    job = client.submit_bulk(file, model="echo", column="review")
    assert (job.lines, job.lines_invalid, job.cost_max) == (3, 0, 3)
    ended = client.wait_bulk(job.bulk_id, timeout_s=90, on_progress=told.append)
    assert (ended.status, told[-1].done, told[-1].total) == ("finished", 3, 3)
    found = list(client.bulk_results(job.bulk_id))
    assert [one.line for one in found] == [2, 3, 4], "the header is line 1"
    assert [one.output for one in found] == [{"text": "first"}, {"text": "second"}, {"text": "third"}]
    assert client.balance().balance == before - ended.charged == before - 3
    with pytest.raises(errors.AlreadyFinished):
        client.cancel_bulk(job.bulk_id)


def test_results_go_on_over_broken_connections_and_a_lost_answer_starts_no_second_job(anna: Registered) -> None:
    lost, cut = itertools.count(), itertools.count()

    class Cut(httpx2.SyncByteStream):
        def __init__(self, text: bytes, request: httpx2.Request) -> None:
            self._text, self._request = text, request

        def __iter__(self) -> Iterator[bytes]:
            yield self._text[: len(self._text) // 2]
            raise httpx2.ReadError("reset", request=self._request)

    def after(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path == "/bulk" and not next(lost):
            response.read()
            raise httpx2.ReadError("reset", request=request)
        if request.url.path.endswith("/results") and next(cut) % 2 == 0:
            return httpx2.Response(200, stream=Cut(response.read(), request))
        return response

    inputs = [f"line {place}" for place in range(80)]
    transport = FaultyWire(after=after)
    with anna.client(transport) as client:
        found = list(client.bulk(inputs, model="echo", timeout_s=90))
        assert [one.output for one in found] == [{"text": text} for text in inputs]
        assert client.balance().balance == 20, "one job of 80 lines was paid"
        [job] = [UUID(one.url.path.split("/")[2]) for one in transport.requests if one.url.path.endswith("/results")][
            :1
        ]
        rows = list(csv.DictReader(b"".join(client.bulk_csv(job)).decode("utf-8-sig").splitlines()))
        assert [row["text"] for row in rows] == inputs


def test_a_job_that_goes_on_can_be_waited_for_again_and_canceled(client: Client) -> None:
    job = client.submit_bulk(["one", "two"], model="echo")
    with contextlib.suppress(BulkNotFinished):  # it may be faster
        client.wait_bulk(job.bulk_id, timeout_s=0)
    assert client.wait_bulk(job.bulk_id, timeout_s=90).succeeded == 2


async def test_the_same_for_asyncio(anna: Registered) -> None:
    async with AsyncClient(anna.url, username=anna.username, password=anna.password) as client:
        found = [one async for one in client.bulk(["one", {"text": "two"}], model="echo", timeout_s=90)]
        assert [one.output for one in found] == [{"text": "one"}, {"text": "two"}]
        job = await client.submit_bulk(["one"], model="echo")
        assert (await client.wait_bulk(job.bulk_id, timeout_s=90)).succeeded == 1
        table = b"".join([piece async for piece in client.bulk_csv(job.bulk_id)]).decode("utf-8-sig")
        assert [row["text"] for row in csv.DictReader(table.splitlines())] == ["one"]
        with pytest.raises(errors.ModelNotFound):
            await client.submit_bulk(["one"], model="nothing")


def test_mls_writes_the_answers_to_a_file(anna: Registered, installed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"text": "one"}\n{"id": "my-2", "input": {"text": "two"}}\n')
    command = ["mls", "bulk", "lines.jsonl", "--model", "echo", "--out", "results.jsonl"]
    env = {**installed, **anna.environment}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(one["id"], one["output"]["text"]) for one in lines] == [(None, "one"), ("my-2", "two")]
    missing = subprocess.run(["mls", "bulk", "none.csv"], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert missing.returncode == 2
