"""Both clients and `mls` send the most that a bulk job may cost, and name what it would cost instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mls import AsyncClient, Client, cli, errors
from tests.clients.local_server import LocalExchange, serving

KEY = "mls_test"


def refuse(exchange: LocalExchange) -> None:
    told = {"code": "max_credits_exceeded", "detail": "This costs 2 credits.", "cost": 2, "max_credits": 1}
    exchange.send(402, json.dumps(told).encode())


async def test_the_most_that_a_bulk_job_may_cost_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.csv"
    file.write_text("text\none\ntwo\n")
    with serving(refuse) as served:
        with Client(served.url, api_key=KEY) as client:
            with pytest.raises(errors.MaxCreditsExceeded) as refused:
                client.submit_bulk(file, max_credits=1)
            with pytest.raises(errors.MaxCreditsExceeded):
                list(client.bulk(file, max_credits=1))
        async with AsyncClient(served.url, api_key=KEY) as client_of_tasks:
            with pytest.raises(errors.MaxCreditsExceeded):
                await client_of_tasks.submit_bulk(file, max_credits=1)
            with pytest.raises(errors.MaxCreditsExceeded):
                _ = [one async for one in client_of_tasks.bulk(file, max_credits=1)]
        monkeypatch.setenv("MLS_API_KEY", KEY)
        assert cli.main(["--url", served.url, "bulk", str(file), "--max-credits", "1"]) == 1
        assert [path for _, path, _, _ in served.requests] == ["/bulk?max_credits=1"] * 5
    assert (refused.value.cost, refused.value.max_credits) == (2, 1)
    assert capsys.readouterr().err == "mls: This costs 2 credits. (402 max_credits_exceeded)\n"


@pytest.mark.parametrize("wrong", ["-1", "1.5", "1_0", "many"])
def test_credits_that_are_no_number_are_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["bulk", "lines.csv", f"--max-credits={wrong}"])
    assert "must be a number of credits, such as 5, not" in capsys.readouterr().err
