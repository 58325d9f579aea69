"""When a batch that is not full may begin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.ml_worker import pacing as module
from services.ml_worker.pacing import PACE_S, PREDICTION_PACE_S, Pacing

Wait = Callable[[float], None]


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Wait:
    """Lets so many seconds pass."""
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    return wait


def test_the_first_batch_waits_for_nothing() -> None:
    assert Pacing().wait_s() == 0


@pytest.mark.usefixtures("wait")
def test_the_next_batch_waits_until_the_last_one_is_committed() -> None:
    pacing = Pacing()
    pacing.begin(2)
    assert pacing.wait_s() == pytest.approx(PACE_S)
    pacing.end()
    assert pacing.wait_s() == pytest.approx(2 * PREDICTION_PACE_S)


def test_the_next_batch_waits_until_all_before_it_are_committed(wait: Wait) -> None:
    pacing = Pacing()
    pacing.begin(2)
    pacing.begin(2)
    pacing.end()
    wait(2 * PREDICTION_PACE_S)
    assert pacing.wait_s() > 0
    pacing.end()
    assert pacing.wait_s() == 0


@pytest.mark.parametrize(("predictions", "least_s"), [(5, 5 * PREDICTION_PACE_S), (1000, PACE_S)])
def test_a_quick_commit_leaves_each_prediction_its_pace(wait: Wait, predictions: int, least_s: float) -> None:
    pacing = Pacing()
    pacing.begin(predictions)
    pacing.end()
    wait(0.9 * least_s)
    assert pacing.wait_s() == pytest.approx(0.1 * least_s)
    wait(0.2 * least_s)
    assert pacing.wait_s() == 0


@pytest.mark.parametrize(("gap_s", "is_fuller"), [(0.5 * PREDICTION_PACE_S, True), (2 * PREDICTION_PACE_S, False)])
def test_batches_grow_only_where_predictions_come_fast(wait: Wait, gap_s: float, *, is_fuller: bool) -> None:
    pacing, predictions = Pacing(), 8
    for _ in range(20):
        pacing.begin(predictions)
        pacing.end()  # the quickest commit there can be
        waited_s = pacing.wait_s()
        wait(waited_s)
        predictions = max(1, round(waited_s / gap_s))
    assert (predictions == round(PACE_S / gap_s)) is is_fuller
    assert (predictions == 1) is not is_fuller


def test_a_slow_commit_holds_the_next_batch_no_longer_than_the_pace(wait: Wait) -> None:
    pacing = Pacing()
    pacing.begin(12)
    wait(PACE_S)
    assert pacing.wait_s() == 0


def test_predictions_that_come_one_at_a_time_never_wait() -> None:
    pacing = Pacing()
    pacing.begin(1)
    assert pacing.wait_s() == 0
