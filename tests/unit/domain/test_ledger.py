"""Movements of credits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain.ledger import MOVEMENTS, Kind, LedgerAccount, held_change, in_words, wallet_change

movements = st.tuples(st.sampled_from(Kind), st.integers(0, 10**9))


def test_every_kind_says_where_credits_come_from_and_go_to() -> None:
    assert set(MOVEMENTS) == set(Kind)


@given(st.lists(movements))
def test_whatever_moves_the_accounts_sum_to_zero(moved: list[tuple[Kind, int]]) -> None:
    accounts = dict.fromkeys(LedgerAccount, 0)
    for kind, amount in moved:
        source, target = MOVEMENTS[kind]
        accounts[source] -= amount
        accounts[target] += amount
    assert sum(accounts.values()) == 0
    assert accounts[LedgerAccount.WALLET] == sum(wallet_change(kind, amount) for kind, amount in moved)
    assert accounts[LedgerAccount.HELD] == sum(held_change(kind, amount) for kind, amount in moved)


def test_a_capture_takes_nothing_from_the_wallet_and_a_release_gives_back_what_a_hold_took() -> None:
    assert wallet_change(Kind.CAPTURE, 5) == 0
    assert wallet_change(Kind.HOLD, 5) + wallet_change(Kind.RELEASE, 5) == 0
    assert held_change(Kind.HOLD, 5) + held_change(Kind.CAPTURE, 5) == 0


def test_one_credit_is_no_plural() -> None:
    assert [in_words(amount) for amount in (0, 1, 2, -1)] == ["0 credits", "1 credit", "2 credits", "-1 credits"]
