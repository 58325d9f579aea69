"""How many messages may be under way to whom."""

from __future__ import annotations

import pytest

from ml_service.background import webhook_room
from ml_service.background.webhook_room import DeliveryRoom


def test_an_unknown_endpoint_has_one_message_and_a_good_one_more_and_more() -> None:
    room = DeliveryRoom(100)
    for expected in (0, 1, 2, 3, 4, 5, 6, 7, 7):
        place = room.enter("a", "user", 10)
        assert room.of_endpoints() == {"a": expected}
        room.leave(place, is_delivered=True)
    assert room.free == 100


def test_a_failure_closes_the_window_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(webhook_room.time, "monotonic", lambda: now)
    room = DeliveryRoom(100)
    for _ in range(3):
        room.leave(room.enter("a", "user", 1), is_delivered=True)
    assert room.of_endpoints() == {"a": 4}
    for pause in (0.5, 1, 2, 4, 8, 16, 32, 60, 60):
        room.leave(room.enter("a", "user", 1), is_delivered=False)
        now += pause - 0.01
        assert room.of_endpoints() == {"a": 0}
        now += 0.02
        assert room.of_endpoints() == {"a": 1}
    now += 2 * webhook_room.FORGET_S
    assert room.of_endpoints() == {}


def test_slow_ones_leave_their_room_to_quick_ones_up_to_a_limit() -> None:
    room = DeliveryRoom(10)
    slow = [room.enter(f"slow {one}", f"user {one}", 1) for one in range(10)]
    assert room.free == 0
    assert all(room.became_slow(place) for place in slow)
    assert room.free == 10
    late = room.enter("late", "another", 1)
    assert not room.became_slow(late)
    for place in [*slow, late]:
        room.leave(place, is_delivered=None)
    assert room.free == 10


def test_a_user_has_a_share_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    room = DeliveryRoom(40)
    places = [room.enter(f"e{one}", "greedy", 1) for one in range(10)]
    assert room.full_users() == ["greedy"]
    room.leave(places[0], is_delivered=True)
    assert room.full_users() == []
    large = room.enter("large", "large", webhook_room.USER_BYTES_MAX)
    assert room.full_users() == ["large"]
    monkeypatch.setattr(webhook_room, "BYTES_MAX", webhook_room.USER_BYTES_MAX)
    assert room.free == 0
    room.leave(large, is_delivered=None)
    assert room.free == 40 - 9
