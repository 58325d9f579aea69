"""A minute of odd requests; more by `python -m tests.fuzz --minutes 15`."""

from __future__ import annotations

import pytest

from tests.fuzz import fuzz, running_target

SECONDS = 60


@pytest.mark.timeout(300)
def test_a_minute_of_odd_requests_violates_nothing(database_url: str) -> None:
    with running_target(database_url) as target:
        assert fuzz(target, SECONDS, start=1) == []
        assert target.tried > 50
