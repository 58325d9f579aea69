"""How many messages may be under way to whom."""

from __future__ import annotations

import pytest

from ml_service.background import webhook_windows
from ml_service.background.webhook_windows import DeliveryWindows


def test_an_unknown_endpoint_has_one_message_and_a_good_one_more_and_more() -> None:
    windows = DeliveryWindows(100)
    for expected in (0, 1, 2, 3, 4, 5, 6, 7, 7):
        place = windows.enter("a", "user", 10)
        assert windows.of_endpoints() == {"a": expected}
        windows.leave(place, is_delivered=True)
    assert windows.free == 100


def test_a_failure_closes_the_window_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(webhook_windows.time, "monotonic", lambda: now)
    windows = DeliveryWindows(100)
    for _ in range(3):
        windows.leave(windows.enter("a", "user", 1), is_delivered=True)
    assert windows.of_endpoints() == {"a": 4}
    for pause in (0.5, 1, 2, 4, 8, 16, 32, 60, 60):
        windows.leave(windows.enter("a", "user", 1), is_delivered=False)
        now += pause - 0.01
        assert windows.of_endpoints() == {"a": 0}
        now += 0.02
        assert windows.of_endpoints() == {"a": 1}
    now += 2 * webhook_windows.FORGET_S
    assert windows.of_endpoints() == {}


def test_slow_ones_leave_their_places_to_quick_ones_up_to_a_limit() -> None:
    windows = DeliveryWindows(10)
    slow = [windows.enter(f"slow {one}", f"user {one}", 1) for one in range(10)]
    assert windows.free == 0
    assert all(windows.became_slow(place) for place in slow)
    assert windows.free == 10
    late = windows.enter("late", "another", 1)
    assert not windows.became_slow(late)
    for place in [*slow, late]:
        windows.leave(place, is_delivered=None)
    assert windows.free == 10


def test_a_user_has_a_share_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = DeliveryWindows(40)
    places = [windows.enter(f"e{one}", "greedy", 1) for one in range(10)]
    assert windows.full_users() == ["greedy"]
    windows.leave(places[0], is_delivered=True)
    assert windows.full_users() == []
    large = windows.enter("large", "large", webhook_windows.USER_BYTES_MAX)
    assert windows.full_users() == ["large"]
    monkeypatch.setattr(webhook_windows, "BYTES_MAX", webhook_windows.USER_BYTES_MAX)
    assert windows.free == 0
    windows.leave(large, is_delivered=None)
    assert windows.free == 40 - 9
