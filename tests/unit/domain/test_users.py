"""The rules for user names and passwords."""

from __future__ import annotations

import pytest

from ml_service.domain.errors import InvalidInput
from ml_service.domain.users import check_password, check_username, username_key

COMMON = frozenset({"password", "qwerty123"})


@pytest.mark.parametrize("name", ["anna", "Анна", "a.b-c_d@example.com", "x" * 64, "007", "ana+1"])
def test_ordinary_names_are_kept(name: str) -> None:
    assert check_username(name) == name


@pytest.mark.parametrize(
    "name", ["", "ab", "x" * 65, "with space", "tab\tname", "-anna", "anna-", "a\x00b", "<b>x</b>"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_username(name)
    assert refused.value.details["errors"][0]["location"] == "body.username"


@pytest.mark.parametrize(
    "name", ["Анна-2", "тест", "José", "Łódź", "山田たろう", "김철수", "admin", "test", "ａｄｍｉｎ", "Αννα"]
)
def test_names_of_one_script_are_kept(name: str) -> None:
    assert check_username(name) == name


@pytest.mark.parametrize(
    "name", ["аdmin", "admіn", "tеst", "αnna", "anna山", "pаypal", "ａdmіn", "admın", "ΤΕSΤ", "roοt", "ѕυρροrт"]
)
def test_names_that_look_like_others_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_username(name)
    assert refused.value.details["errors"][0]["location"] == "body.username"


def test_names_that_look_alike_in_case_or_width_are_the_same() -> None:
    assert username_key("ＡＮＮＡ") == username_key("anna")
    assert username_key("Straße") == username_key("STRASSE")


@pytest.mark.parametrize("password", ["correct horse", "пароль подлиннее", "🔒" * 8, "x" * 128])
def test_long_enough_passwords_of_any_characters_are_fine(password: str) -> None:
    check_password(password, "anna", COMMON)


@pytest.mark.parametrize("password", ["", "short", "x" * 129, "PASSWORD", "qwerty123", "a nul \0 inside"])
def test_short_long_and_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_password(password, "anna", COMMON)


def test_the_user_name_is_no_password() -> None:
    with pytest.raises(InvalidInput):
        check_password("Annabella", "annabella", COMMON)
