"""A sender says what a bulk job may cost at most."""

from __future__ import annotations

from tests.support.bulk import left_behind, lines, sent
from tests.support.service import Person, Service, code_of


async def test_a_job_that_costs_more_than_its_sender_accepts_holds_nothing(service: Service, anna: Person) -> None:
    content = lines({"text": "a"}, {"text": 3}, {"text": "b"})
    answer = await sent(anna, content, "?max_credits=1", Idempotency_Key="k")
    assert code_of(answer) == (402, "max_credits_exceeded")
    assert (answer.json()["cost"], answer.json()["max_credits"]) == (2, 1)
    assert await anna.balance() == (100, 0)
    assert await left_behind(service) == [0, 0]
    accepted = await sent(anna, content, "?max_credits=2", Idempotency_Key="k")  # the key is free
    assert (accepted.status_code, accepted.json()["cost_max"]) == (202, 2)
    again = await sent(anna, content, "?max_credits=1", Idempotency_Key="k")
    assert (again.status_code, again.json()["bulk_id"]) == (202, accepted.json()["bulk_id"])
    assert await anna.balance() == (98, 2)
    for wrong in ("-1", "1.5", "many", str(2**63)):
        assert code_of(await sent(anna, content, f"?max_credits={wrong}")) == (422, "invalid_input")
