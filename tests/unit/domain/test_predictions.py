"""The states of a prediction, and its id."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from ml_service.domain.ids import id_after, new_id
from ml_service.domain.predictions import TERMINAL, TRANSITIONS, Status


def test_every_status_has_its_transitions() -> None:
    assert set(TRANSITIONS) == set(Status)


def test_terminal_states_are_the_four_ends() -> None:
    assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED} == TERMINAL


def test_every_state_can_reach_an_end() -> None:
    for status in set(Status) - TERMINAL:
        assert TRANSITIONS[status] & TERMINAL


def test_an_answer_needs_a_claim_first() -> None:
    assert Status.SUCCEEDED not in TRANSITIONS[Status.QUEUED]


def test_ids_are_uuid_version_7_and_strictly_increase() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    assert all(earlier < later for earlier, later in pairwise(ids))


def test_ids_of_many_threads_are_unique() -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = [one for part in threads.map(lambda _: [new_id() for _ in range(2000)], range(8)) for one in part]
    assert len(set(ids)) == len(ids)


def test_the_bound_of_ids_lies_between_those_of_now_and_of_later() -> None:
    assert id_after(-1) < new_id() < id_after(0.001) < id_after(60)
