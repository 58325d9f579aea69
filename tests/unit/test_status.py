"""What `start.py --status` shows of a service whose processes all run."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from engine.common import output

QUEUE = {"ready": 0, "unacked": 0}


def status(**inside: Any) -> dict[str, Any]:
    return {
        "state": "healthy",
        "address": "http://localhost",
        "engine": "native",
        "queue": "postgres",
        "mode": "demo",
        "uptime_s": 5,
        "processes": [],
        "notes": [],
        "inside": {"queue": QUEUE, "open": 0, "workers": [], "problems": [], **inside},
    }


def test_a_service_without_problems_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.show(status(), as_json=False) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("healthy, ")
    assert "problem" not in shown


@pytest.mark.parametrize(
    ("inside", "line"),
    [
        (
            {"problems": ["No worker serves echo@1. Next: python3 start.py --logs worker"]},
            "problem: No worker serves echo@1. Next: python3 start.py --logs worker",
        ),
        (
            {"queue": {"error": "The broker is away: nobody listens"}},
            "problem: The queue does not answer. Next: python3 start.py --logs",
        ),
        (
            {
                "workers": [
                    {
                        "id": "worker-1",
                        "is_alive": True,
                        "model_states": {"mine": {"state": "failed", "reason": "It needs torch."}},
                    }
                ]
            },
            "model mine cannot be loaded: It needs torch. Next: python3 start.py --logs worker",
        ),
    ],
)
def test_what_is_wrong_with_it_is_shown_with_the_next_step(
    inside: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output.show(status(**inside), as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("degraded, ")
    assert line in lines
    assert output.show(status(**inside), as_json=True) == 1
    assert '"state": "degraded"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("127.0.0.1", 80, "http://localhost"),
        ("", 8000, "http://localhost:8000"),
        ("::", 8000, "http://localhost:8000"),
        ("192.0.2.7", 80, "http://192.0.2.7"),
        ("ml.example", 8000, "http://ml.example:8000"),
        ("fd00::5", 8000, "http://[fd00::5]:8000"),
        ("fd00::5", 80, "http://[fd00::5]"),
        ("fe80::1%eth0", 8000, "http://[fe80::1%25eth0]:8000"),
    ],
)
def test_the_address_can_be_typed(host: str, port: int, expected: str) -> None:
    address = output.address(host, port)
    assert address == expected
    assert (urlsplit(address).port or 80) == port
