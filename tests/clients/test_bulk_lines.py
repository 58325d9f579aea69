"""The results of a bulk job are divided at line feeds, and nowhere else."""

from __future__ import annotations

import csv
import io
import itertools
import json

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mls import AsyncClient, Client, ServiceUnreachable, bulk
from mls._calls import Retry
from mls.errors import UnexpectedAnswer
from tests.clients.local_server import PREDICTION_ID, LocalExchange, serving

TEXTS = ["a\u2028b", "c\u2029d", "e\x85f", "Ünïcödé \U0001f600", "g\vh\fi\x1cj\x1dk\x1el\rm\nn"]


def lines_of(texts: list[str]) -> bytes:
    """As the service writes them: what JSON need not escape is not escaped."""
    results = [
        {"line": number, "id": None, "status": "succeeded", "output": {"text": text}, "error": None, "cost": 1}
        for number, text in enumerate(texts, 1)
    ]
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in results).encode()


def send_lines(exchange: LocalExchange, sizes: list[int]) -> None:
    """Send the lines in pieces of these sizes in turn, which also end within a character."""
    exchange.send_response(200)
    exchange.send_header("Content-Type", "application/x-ndjson")
    exchange.send_header("Transfer-Encoding", "chunked")
    exchange.end_headers()
    left, of = lines_of(TEXTS), itertools.cycle(sizes)
    while left:
        size = next(of)
        exchange.send_piece(left[:size])
        left = left[size:]
    exchange.wfile.write(b"0\r\n\r\n")


@pytest.mark.parametrize("sizes", [[1], [7, 100], [10_000]])
async def test_results_keep_each_character_of_their_texts(sizes: list[int]) -> None:
    with serving(lambda exchange: send_lines(exchange, sizes)) as served:
        with Client(served.url, api_key="mls_test") as client:
            found = list(client.bulk_results(PREDICTION_ID))
        async with AsyncClient(served.url, api_key="mls_test") as client_of_tasks:
            found_too = [one async for one in client_of_tasks.bulk_results(PREDICTION_ID)]
    assert [one.output for one in found] == [{"text": text} for text in TEXTS]
    assert found_too == found


def table_of(status: str) -> bytes:
    """As the service writes it: while a job goes on, its rows grow."""
    answer = '"Fine,\nand ""good"""' if status == "succeeded" else ""
    rows = [f'{number},{status},"Two\nlines, and a ""word""",{answer}\r\n' for number in range(1, 4)]
    return ("\ufeffline,status,text,label\r\n" + "".join(rows)).encode()


@pytest.mark.timeout(120)
async def test_a_table_is_made_of_whole_rows_where_the_job_goes_on_between_two_connections() -> None:
    before, after = table_of("queued"), table_of("succeeded")
    cuts = iter(range(0, len(before), 3))

    def cut_first(exchange: LocalExchange) -> None:
        if len(served.requests) % 2 == 0:
            exchange.send(200, after, "text/csv")
            return
        exchange.send_response(200)
        exchange.send_header("Content-Type", "text/csv")
        exchange.send_header("Content-Length", str(len(before)))
        exchange.end_headers()
        exchange.wfile.write(before[: next(cuts)])
        exchange.close_connection = True

    states: set[tuple[str, ...]] = set()
    with serving(cut_first) as served:
        retry = Retry(tries=2, pause_s_min=0.001)
        with Client(served.url, api_key="mls_test", retry=retry) as client:
            async with AsyncClient(served.url, api_key="mls_test", retry=retry) as client_of_tasks:
                for place in range(len(range(0, len(before), 3))):
                    if place % 2:
                        rows = list(client.bulk_csv(PREDICTION_ID))
                    else:
                        rows = [row async for row in client_of_tasks.bulk_csv(PREDICTION_ID)]
                    read = list(csv.DictReader(io.StringIO(b"".join(rows).decode("utf-8-sig"), newline="")))
                    assert [row["line"] for row in read] == ["1", "2", "3"]
                    for row in read:
                        assert row["text"] == 'Two\nlines, and a "word"'
                        assert row["label"] == ('Fine,\nand "good"' if row["status"] == "succeeded" else "")
                    states.add(tuple(row["status"] for row in read))
    assert states >= {("succeeded",) * 3, ("queued", "queued", "succeeded")}


@given(st.lists(st.binary(max_size=9).map(lambda some: some.replace(b"x", b"\n"))))
def test_lines_are_the_same_in_whatever_pieces_they_come(pieces: list[bytes]) -> None:
    lines = bulk.Lines(httpx2.Response(200))
    found = [line for piece in pieces for line in lines.take(piece)] + list(lines.rest())
    whole = b"".join(pieces).split(b"\n")
    assert found == (whole if whole[-1] else whole[:-1])


def test_a_line_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LINE_BYTES_MAX", 100)
    with (
        serving(lambda exchange: exchange.send(200, b"a" * 101, "application/x-ndjson")) as served,
        Client(served.url, api_key="mls_test") as client,
        pytest.raises(UnexpectedAnswer, match="more than 100 bytes"),
    ):
        list(client.bulk_results(PREDICTION_ID))


def break_off(exchange: LocalExchange) -> None:
    """Send the first line, and never the second."""
    kind, body = (
        ("text/csv", b"line,id\n1,a\n") if "csv" in exchange.path else ("application/x-ndjson", lines_of(["a"]))
    )
    exchange.send_response(200)
    exchange.send_header("Content-Type", kind)
    exchange.send_header("Content-Length", str(len(body) + 1))
    exchange.end_headers()
    exchange.wfile.write(body)
    exchange.close_connection = True


@pytest.mark.timeout(20)
async def test_results_that_never_go_on_are_given_up() -> None:
    retry = Retry(tries=3, pause_s_min=0.01)
    with serving(break_off) as served:
        with Client(served.url, api_key="mls_test", retry=retry) as client:
            with pytest.raises(ServiceUnreachable):
                list(client.bulk_results(PREDICTION_ID))
            with pytest.raises(ServiceUnreachable):
                list(client.bulk_csv(PREDICTION_ID))
        async with AsyncClient(served.url, api_key="mls_test", retry=retry) as client_of_tasks:
            with pytest.raises(ServiceUnreachable):
                _ = [one async for one in client_of_tasks.bulk_results(PREDICTION_ID)]
            with pytest.raises(ServiceUnreachable):
                _ = [piece async for piece in client_of_tasks.bulk_csv(PREDICTION_ID)]
        assert len(served.requests) == 4 * 3
