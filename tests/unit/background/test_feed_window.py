"""How much of the batches' work is sent to the queue."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from ml_service.background.feed_window import BATCHES_PER_WORKER, IDS_MAX, FeedWindow
from ml_service.messaging.prefetch import MESSAGES_MAX, MESSAGES_MIN, Prefetch

BATCH = 64
LOOK_S = 0.03


def play(feed_window: FeedWindow, per_second: float, workers: int, seconds: float, look_s: float = LOOK_S) -> list[int]:
    """Look again and again while workers answer so many; returns how many predictions were under way, per look."""
    queue: list[UUID] = []
    levels = []
    credit = 0.0
    for look in range(int(seconds / look_s)):
        credit += per_second * look_s
        done = min(int(credit), len(queue))
        credit = credit - done if queue else 0.0
        ended = {*queue[:done]}
        del queue[:done]
        feed_window.keep(set(queue), ended, look * look_s)
        count, in_message = feed_window.next(workers, BATCH)
        assert 1 <= in_message <= BATCH
        ids = [uuid4() for _ in range(count)]
        feed_window.sent(ids, in_message, look * look_s)
        queue += ids
        levels.append(len(queue))
    return levels


def test_slow_workers_get_what_keeps_them_busy_and_no_more() -> None:
    levels = play(FeedWindow(), per_second=400, workers=2, seconds=10)
    assert max(levels) <= 2 * BATCHES_PER_WORKER * BATCH * 2
    assert min(levels) > 0


@pytest.mark.parametrize("look_s", [0.03, 0.1])
def test_fast_workers_never_wait_once_they_are_known(look_s: float) -> None:
    levels = play(FeedWindow(), 15_000, 2, 10, look_s)
    known = levels[int(2 / look_s) :]
    assert min(known) >= 15_000 * look_s, "the queue ran dry between two looks"
    assert max(known) <= 15_000 * look_s * 2 + 2 * BATCH, "a single prediction would wait for all of that"


def test_workers_that_become_slow_get_less_within_a_second() -> None:
    feed_window = FeedWindow()
    play(feed_window, 15_000, 2, 3)
    fast = feed_window.size
    levels = play(feed_window, 3_000, 2, 2)
    assert feed_window.size < fast / 2
    assert levels[-1] <= 2 * BATCHES_PER_WORKER * BATCH * 2


def test_how_fast_others_were_is_forgotten_after_a_pause() -> None:
    feed_window = FeedWindow()
    play(feed_window, 15_000, 2, 3)
    feed_window.keep(set(), set(), 3600.0)
    assert feed_window.next(2, BATCH)[0] == BATCHES_PER_WORKER * BATCH * 2


def test_what_is_never_answered_does_not_hold_the_others_up_for_ever() -> None:
    feed_window = FeedWindow()
    count, in_message = feed_window.next(1, BATCH)
    lost = [uuid4() for _ in range(count)]
    feed_window.sent(lost, in_message, 0.0)
    feed_window.keep(set(lost), set(), 100.0)
    assert feed_window.next(1, BATCH)[0] == 0
    feed_window.keep(set(lost), set(), 200.0)
    assert feed_window.next(1, BATCH)[0] > 0


def test_a_message_that_later_ones_have_overtaken_is_not_counted_for_ever() -> None:
    feed_window = FeedWindow()
    lost, *later = (uuid4() for _ in range(4))
    feed_window.sent([lost], 1, 0.0)
    for number, one in enumerate(later, 1):
        feed_window.sent([one], 1, 50.0 * number)
        feed_window.keep({lost}, {one}, 50.0 * number + 1)
    assert feed_window.samples == []


def test_a_slow_model_gets_no_more_while_it_answers() -> None:
    feed_window = FeedWindow()
    levels = play(feed_window, per_second=1, workers=1, seconds=1800, look_s=0.5)
    assert max(levels) <= 2 * BATCHES_PER_WORKER * BATCH, "single predictions stand behind all of that"


def test_what_is_forgotten_without_an_answer_does_not_make_the_window_grow() -> None:
    feed_window = FeedWindow()
    for look in range(100):
        count, in_message = feed_window.next(2, BATCH)
        assert count <= BATCHES_PER_WORKER * BATCH * 2
        feed_window.sent([uuid4() for _ in range(count)], in_message, look * LOOK_S)
        feed_window.keep(set(), set(), look * LOOK_S)


def test_the_window_has_an_end() -> None:
    feed_window = FeedWindow()
    play(feed_window, 3_000_000, 2, 1)
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
