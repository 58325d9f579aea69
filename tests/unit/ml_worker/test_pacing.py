"""When a batch that is not full may begin."""

from __future__ import annotations

import time

from services.ml_worker.pacing import PACE_S, Pacing


def test_the_first_batch_waits_for_nothing() -> None:
    assert Pacing().wait_s() == 0


def test_the_next_batch_waits_until_the_last_one_is_committed() -> None:
    pacing = Pacing()
    pacing.begin(12)
    assert 0 < pacing.wait_s() <= PACE_S
    pacing.end()
    assert pacing.wait_s() == 0


def test_the_next_batch_waits_until_all_before_it_are_committed() -> None:
    pacing = Pacing()
    pacing.begin(12)
    pacing.begin(12)
    pacing.end()
    assert pacing.wait_s() > 0


def test_a_slow_commit_holds_the_next_batch_no_longer_than_the_pace() -> None:
    pacing = Pacing()
    pacing.begin(12)
    time.sleep(PACE_S)
    assert pacing.wait_s() == 0


def test_predictions_that_come_one_at_a_time_never_wait() -> None:
    pacing = Pacing()
    pacing.begin(1)
    assert pacing.wait_s() == 0
