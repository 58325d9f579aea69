"""What is being sent is bounded, by user and in all."""

from __future__ import annotations

from contextlib import ExitStack
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain.errors import Overloaded, TooManyRequests
from services.app.in_flight import InFlight

USERS = [uuid4() for _ in range(3)]


@given(st.lists(st.tuples(st.sampled_from(USERS), st.integers(1, 60), st.booleans()), max_size=40))
def test_neither_bound_is_passed_by_more_than_one_thing(steps: list[tuple[UUID, int, bool]]) -> None:
    flying = InFlight("answers", user_max=50, total_max=100)
    held: list[tuple[UUID, int, ExitStack]] = []
    for user, size, frees in steps:
        if frees and held:
            held.pop(0)[2].close()
        stack = ExitStack()
        mine = sum(one for owner, one, _ in held if owner == user)
        everything = sum(one for _, one, _ in held)
        try:
            stack.enter_context(flying.hold(user, size))
        except TooManyRequests:
            assert mine
            assert mine + size > 50
        except Overloaded:
            assert everything + size > 100
        else:
            assert not mine or mine + size <= 50
            assert not everything or everything + size <= 100
            held.append((user, size, stack))
    for _, _, stack in held:
        stack.close()
    assert flying._total == 0
    assert not flying._by_user


def test_what_fails_is_no_longer_counted() -> None:
    flying = InFlight("answers", user_max=1, total_max=1)
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), flying.hold(USERS[0], 1):
            raise OSError("gone")
