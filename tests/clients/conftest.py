"""A person with credits on a started system, and the client's wheel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from mls import Client
from tests.clients.people import Registered
from tests.clients.wheel import install
from tests.support.system import System


@pytest.fixture
def anna(system: System) -> Registered:
    """Somebody with the starting credits, and nothing asked yet."""
    person = Registered(system.url, f"anna-{uuid4().hex[:8]}")
    system.register(person.username).close()
    return person


@pytest.fixture
def client(anna: Registered) -> Iterator[Client]:
    with anna.client() as client:
        yield client
        # A map that ends early waits for none of its threads. What one of them connects to after the end of the client
        # is closed whenever Python comes across it, which may be in another test.
        for thread in threading.enumerate():
            if thread.name == "mls map":
                thread.join()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the client's wheel is installed."""
    return install(tmp_path_factory.mktemp("wheel"))
