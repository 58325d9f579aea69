"""The plan finds every input that ends the process, and no other, with a bounded number of deaths."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ml_service.runtime.frames import FRAME_BYTES_MAX
from ml_service.runtime.host.batch_run import parts_of
from ml_service.runtime.host.isolation import ALONE_AT, Isolation, Trial

CRASH, HANG, SLOW = "crash", "hang", "slow"  # a slow one needs more than the short time, but not all of it


@st.composite
def batches(draw: st.DrawFn) -> list[str]:
    """Draw the kinds of a batch's inputs, most of them harmless."""
    size = draw(st.integers(1, 80))
    batch = [""] * size
    for place in draw(st.lists(st.integers(0, size - 1), max_size=6)):
        batch[place] = draw(st.sampled_from([CRASH, HANG, SLOW]))
    return batch


class PlannedRun:
    """What happens to a batch under the plan: the model is played, the plan is real."""

    def __init__(self, batch: list[str], *, short_time: bool, kill: tuple[int, int] | None = None) -> None:
        """``kill``: in this attempt, before this call, the process is killed from outside."""
        self.batch = batch
        self._kill = kill
        self._attempts = 0
        self.answered: Counter[int] = Counter()
        self.convicted: Counter[int] = Counter()
        self.deaths = 0
        self.first_answers: list[int] = []
        plan = Isolation([range(len(batch))], short_time=short_time)
        while plan:
            self._play(plan, plan.next())

    def _play(self, plan: Isolation, attempt: Trial) -> None:
        calls = [(place,) for place in attempt.places] if attempt.one_by_one else [attempt.places]
        number_of_this = self._attempts
        self._attempts += 1
        for number, call in enumerate(calls):
            if self._kill == (number_of_this, number):
                unanswered = [place for rest in calls[number:] for place in rest]
                guilty = plan.failed(attempt, unanswered, timed_out=False)
                if guilty is not None:
                    self.convicted[guilty] += 1
                return
            kinds = [self.batch[place] for place in call]
            # The first input of a call that is not harmless decides, as in a model that goes through them in turn.
            trouble = next((kind for kind in kinds if kind and (kind != SLOW or self._too_slow(attempt, kinds))), "")
            if trouble:
                self.deaths += 1
                unanswered = [place for rest in calls[number:] for place in rest]
                guilty = plan.failed(attempt, unanswered, timed_out=trouble != CRASH)
                if guilty is not None:
                    self.convicted[guilty] += 1
                return
            self.answered.update(call)

    @staticmethod
    def _too_slow(attempt: Trial, kinds: list[str]) -> bool:
        return not attempt.full_time or kinds.count(SLOW) > 1


@settings(max_examples=60)
@given(batch=batches(), short_time=st.booleans())
def test_each_input_is_answered_or_convicted_once_and_only_the_guilty_are_convicted(
    *, batch: list[str], short_time: bool
) -> None:
    run = PlannedRun(batch, short_time=short_time)
    guilty = [place for place, kind in enumerate(batch) if kind in (CRASH, HANG)]
    assert dict.fromkeys(guilty, 1) == dict(run.convicted)
    assert {place: 1 for place in range(len(batch)) if place not in guilty} == dict(run.answered)


@settings(max_examples=200)
@given(batch=batches(), short_time=st.booleans(), kill=st.tuples(st.integers(0, 12), st.integers(0, 7)))
def test_one_kill_from_outside_at_any_moment_convicts_no_innocent_input(
    *, batch: list[str], short_time: bool, kill: tuple[int, int]
) -> None:
    run = PlannedRun(batch, short_time=short_time, kill=kill)
    guilty = {place for place, kind in enumerate(batch) if kind in (CRASH, HANG)}
    assert guilty == set(run.convicted)
    assert set(range(len(batch))) - guilty == set(run.answered)


@settings(max_examples=60)
@given(batch=batches(), short_time=st.booleans())
def test_deaths_grow_with_the_guilty_and_only_by_the_logarithm_of_the_batch(
    *, batch: list[str], short_time: bool
) -> None:
    run = PlannedRun(batch, short_time=short_time)
    troubled = sum(kind != "" for kind in batch)
    halvings = math.ceil(math.log2(max(1, len(batch) / ALONE_AT))) + 1
    assert run.deaths <= troubled * (halvings + 3)


def test_our_own_kill_for_time_is_no_evidence_of_a_crash() -> None:
    plan = Isolation([range(ALONE_AT)])
    first = plan.next()
    plan.failed(first, first.places, timed_out=True)
    short = next(attempt for attempt in iter(plan.next, None) if attempt.one_by_one and not attempt.full_time)
    suspect = short.places[0]
    assert plan.failed(short, short.places, timed_out=True) is None, "it ran out of the short time, and we killed it"
    alone = next(attempt for attempt in iter(plan.next, None) if attempt.places == (suspect,))
    assert plan.failed(alone, alone.places, timed_out=False) is None, "its first death may have come from outside"
    again = next(attempt for attempt in iter(plan.next, None) if attempt.places == (suspect,))
    assert plan.failed(again, again.places, timed_out=False) == suspect


@given(st.integers(1, 80), st.integers(0, 79))
def test_an_input_that_was_there_at_one_death_only_is_not_convicted(size: int, place: int) -> None:
    plan = Isolation([range(size)])
    first = plan.next()
    assert plan.failed(first, first.places[place % size :], timed_out=False) is None


def test_an_attempt_that_was_not_made_is_still_the_next_one() -> None:
    plan = Isolation([range(20)])
    first = plan.next()
    plan.failed(first, first.places, timed_out=False)
    attempt = plan.next()
    plan.put_back(attempt)
    assert len(plan) == 2
    assert attempt == plan.next()


@settings(max_examples=60)
@given(batches())
def test_what_remains_is_what_is_neither_answered_nor_convicted(batch: list[str]) -> None:
    plan = Isolation([range(len(batch))])
    attempt = plan.next()
    assert plan.remaining() == []
    plan.failed(attempt, attempt.places, timed_out=False)
    assert plan.remaining() == list(range(len(batch)))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40))
def test_what_the_model_gets_at_once_is_bounded_in_size(sizes: list[int]) -> None:
    parts = parts_of(sizes, 50)
    assert [place for part in parts for place in part] == list(range(len(sizes)))
    assert all(len(part) == 1 or sum(sizes[place] for place in part) <= 50 for part in parts)
    assert all(sum(sizes[place] for place in [*one, other[0]]) > 50 for one, other in pairwise(parts))
    plan = Isolation(parts)
    assert [plan.next().places for _ in parts] == [tuple(part) for part in parts]


def test_the_largest_batch_of_the_longest_inputs_makes_frames_that_can_be_read() -> None:
    longest = "\U0001f600" * (16 * 2**20 // 4)  # INPUT_BYTES_MAX at its most, in the fewest characters
    for sizes in ([len(longest)] * 5, [65_536] * 1024):
        for part in parts_of(sizes):
            size = sum(4 * sizes[place] + 1 for place in part)
            assert size < FRAME_BYTES_MAX - 1000
