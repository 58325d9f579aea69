"""The same fixtures as the contract's: each fault of the queue is tried on both backends."""

from __future__ import annotations

from tests.contract.conftest import *  # noqa: F403 - fixtures are found by name
from tests.contract.conftest import _postgres, _rabbit  # noqa: F401
