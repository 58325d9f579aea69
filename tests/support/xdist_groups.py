"""Which tests run in one process, one after another, when several run at a time: those that share something expensive.

A started system takes ten seconds and half a gigabyte, a RabbitMQ node seven seconds, a bundled model's weights one or
two; all else is cheap, and goes to any idle worker. (xdist's own way, its mark `xdist_group`, has no effect with pytest
9.2: it renames what is no longer named that way.)
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

SYSTEMS = ("tests/e2e/test_", "tests/clients/", "tests/faults/test_kills.py")
TOGETHER = ("tests/e2e/bot/", "tests/integration/nginx/")
BY_FILE = "tests/unit/"


class SharedGroups(LoadScopeScheduling):  # type: ignore[misc]  # xdist's base is not typed
    """Hands out groups, the largest first: tests that share something dear, or one test alone."""

    def _split_scope(self, nodeid: str) -> Any:
        on_rabbitmq = "rabbitmq" in nodeid
        for folder in TOGETHER:
            if nodeid.startswith(folder):
                return "rabbitmq" if on_rabbitmq else folder
        if nodeid.startswith(BY_FILE):
            return nodeid.partition("::")[0]
        if nodeid.startswith(SYSTEMS) and "[" in nodeid:
            return "system on rabbitmq" if on_rabbitmq else "system on postgres"
        return "rabbitmq" if on_rabbitmq else nodeid
