"""How much of the batches' work is sent to the queue."""

from __future__ import annotations

from uuid import UUID, uuid4

from ml_service.background.feed_window import BATCHES_PER_WORKER, IDS_MAX, FeedWindow
from ml_service.messaging.prefetch import MESSAGES_MAX, MESSAGES_MIN, Prefetch

BATCH = 64
LOOK_S = 0.1


def play(feed_window: FeedWindow, per_second: float, workers: int, seconds: float) -> list[int]:
    """Look ten times a second while workers answer so many; returns how many predictions were under way, per look."""
    queue: list[UUID] = []
    levels = []
    credit = 0.0
    for look in range(int(seconds / LOOK_S)):
        now_s = look * LOOK_S
        credit += per_second * LOOK_S
        done = min(int(credit), len(queue))
        credit = credit - done if queue else 0.0
        del queue[:done]
        feed_window.keep(set(queue), now_s)
        count, in_message = feed_window.next(now_s, workers, BATCH)
        assert 1 <= in_message <= BATCH
        ids = [uuid4() for _ in range(count)]
        feed_window.sent(ids, in_message, now_s)
        queue += ids
        levels.append(len(queue))
    return levels


def test_slow_workers_get_what_keeps_them_busy_and_no_more() -> None:
    levels = play(FeedWindow(), per_second=400, workers=2, seconds=10)
    assert max(levels) <= 2 * BATCHES_PER_WORKER * BATCH * 2
    assert min(levels) > 0


def test_fast_workers_never_wait_once_they_are_known() -> None:
    levels = play(FeedWindow(), per_second=15_000, workers=2, seconds=10)
    assert min(levels[20:]) >= 15_000 * LOOK_S, "the queue ran dry between two looks"
    assert max(levels) <= 15_000, "more than a second of work"


def test_what_is_never_answered_does_not_hold_the_others_up_for_ever() -> None:
    feed_window = FeedWindow()
    count, in_message = feed_window.next(0.0, 1, BATCH)
    lost = [uuid4() for _ in range(count)]
    feed_window.sent(lost, in_message, 0.0)
    feed_window.keep(set(lost), 100.0)
    assert feed_window.next(100.0, 1, BATCH)[0] == 0
    feed_window.keep(set(lost), 200.0)
    assert feed_window.next(200.0, 1, BATCH)[0] > 0


def test_the_window_has_an_end() -> None:
    feed_window = FeedWindow()
    for look in range(40):
        feed_window.next(look * LOOK_S, 2, BATCH)
    assert feed_window.size == IDS_MAX


def test_prefetch_follows_the_size_of_the_messages() -> None:
    prefetch = Prefetch(ids_max=256)
    assert prefetch.messages == 8
    for _ in range(40):
        prefetch.note(1)
    assert prefetch.has_moved(8)
    assert 200 <= prefetch.messages <= 256
    for _ in range(40):
        prefetch.note(64)
    assert prefetch.messages == 4
    for _ in range(40):
        prefetch.note(1024)
    assert prefetch.messages == MESSAGES_MIN
    assert Prefetch(ids_max=100_000, ids_per_message=1).messages == MESSAGES_MAX
