"""What sending webhooks costs an app that has none to send."""

from __future__ import annotations

import subprocess
import sys


def test_an_app_loads_the_http_client_of_webhooks_only_when_one_is_due() -> None:
    code = (
        "import sys, services.app.main\n"
        "print('aiohttp' in sys.modules)\n"
        "import ml_service.background.webhook_sender\n"
        "print('aiohttp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
