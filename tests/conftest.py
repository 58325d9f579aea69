"""Fixtures that every folder may use (private servers, started systems), and which suite a test belongs to."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from engine.testing import MARKS, READ_BY
from tests.support.early_failures import EarlyFailures
from tests.support.xdist_groups import TOGETHER, SharedGroups

pytest_plugins = ["tests.support.nodes", "tests.support.systems"]

# How long an example takes is the machine's business: tests of speed are benchmarks.
settings.register_profile("untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

HERE = Path(__file__).parent
FOLDER_MARKS = {"faults": "slow", "compose": "compose", "page": "page"}
"""The tests of these folders are in a suite of their own; engine/testing.py has the suites."""
UNTIL = os.environ.get("TESTS_UNTIL")
"""In seconds since 1970: no test begins later, for runs that must end in time; `.ci/run` says what it left out."""
LEFT_OUT = "left out: its time was over (TESTS_UNTIL)"
LONGEST = ("tests/properties/", "tests/integration/app/test_free_loop.py")


def pytest_configure(config: pytest.Config) -> None:
    """Report failures as they happen, once: the workers of xdist leave it to the process that started them."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(EarlyFailures(config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharedGroups:
    """Keep together what shares a node or a system."""
    return SharedGroups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of whole folders, and begin with the longest: other workers should not wait for one at the end."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if mark := FOLDER_MARKS.get(folder):
            item.add_marker(mark)
        for suite, selected in MARKS.items():
            if item.get_closest_marker(selected) and suite not in READ_BY[folder]:
                raise pytest.UsageError(f"{item.nodeid}: {suite} does not read this folder (engine/testing.py)")
    if UNTIL is not None:  # each run leaves out others, and none changes their order more than it must
        files = sorted({_shared_file(item) for item in items})
        first = set(random.Random(UNTIL).sample(files, len(files) // 2))
        items.sort(key=lambda item: _shared_file(item) not in first)
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def _shared_file(item: pytest.Item) -> str:
    """The file of a test, or the folder whose tests share one system."""
    return next((folder for folder in TOGETHER if item.nodeid.startswith(folder)), str(item.path))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin no test after its time."""
    if UNTIL is not None and time.time() > float(UNTIL):
        pytest.skip(LEFT_OUT)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where skips are forbidden (REQUIRE_ALL=1), a skipped test has failed: nobody knows whether it would pass."""
    report = yield
    is_left_out = LEFT_OUT in report.longreprtext
    if report.skipped and not is_left_out and os.environ.get("REQUIRE_ALL") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where that is forbidden (REQUIRE_ALL=1): {report.longrepr}"
    return report
