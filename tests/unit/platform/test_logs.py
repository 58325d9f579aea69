"""What `ml_service.platform.logs` keeps out of the services."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("program", ["app.main", "bot.bot", "ml_worker.worker"])
def test_no_service_loads_rich(program: str) -> None:
    code = f"import sys, services.{program}; print([name in sys.modules for name in ('structlog', 'rich')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[True,", "False]"]
