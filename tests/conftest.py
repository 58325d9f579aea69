"""Fixtures that every folder may use (private servers, started systems), and which suite a test belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["tests.nodes.fixtures", "tests.e2e.fixtures"]

HERE = Path(__file__).parent
FOLDER_MARKS = {"faults": "slow", "compose": "compose", "page": "page"}
"""The tests of these folders are in a suite of their own; engine/commands.py has the suites."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of whole folders."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if mark := FOLDER_MARKS.get(folder):
            item.add_marker(mark)
