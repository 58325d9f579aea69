"""What `ml_service.platform.logs` keeps out of the services."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize("program", ["app.main", "bot.bot", "ml_worker.worker"])
def test_no_service_loads_rich(program: str) -> None:
    code = f"import sys, services.{program}; print([name in sys.modules for name in ('structlog', 'rich')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[True,", "False]"]


def test_a_line_with_a_name_that_is_no_unicode_is_written() -> None:
    code = (
        "import structlog; from ml_service.platform.logs import set_up_logs; "
        "set_up_logs('worker', level='INFO', style='json'); structlog.get_logger().info('left_out', model='\\udce8')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["model"] == "\udce8"
