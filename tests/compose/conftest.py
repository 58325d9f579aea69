"""One stack of containers for the session: `start.py --test compose`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.docker import compose
from tests.support.compose_stack import Stack, stack_in
from tests.support.nodes import skip_or_fail


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where the copies of the project lie; the last part of its name is in the names of the projects."""
    if (reason := compose.why_not()) is not None:
        skip_or_fail(f"No containers here: {reason}")
    made = Path(tempfile.mkdtemp(prefix="ml-service-compose-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def stack(folder: Path) -> Iterator[Stack]:
    """The whole system, healthy; a test that breaks it leaves it healthy again."""
    with stack_in(folder, folder.name) as made:
        made.output = made.start()
        made.until_healthy()
        yield made
