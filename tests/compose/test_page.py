"""The page through nginx, in a browser on this machine, in front of the containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import AXE, DESKTOP, PHONE, Language, browser, chromium, tab
from tests.support.compose_stack import Stack
from tests.support.nodes import skip_or_fail
from tests.support.page_people import (
    answer,
    ask,
    create_account,
    expect_answered,
    expect_balance,
    new_name,
    question,
)

pytestmark = pytest.mark.timeout(600)

WORDS = {"en": ("Wonderful, thank you!", "Positive"), "ru": ("Отлично, спасибо большое!", "Положительный")}


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    if chromium() is None:
        skip_or_fail("There is no Chromium here: apt-get install chromium")
    if not AXE.exists():
        skip_or_fail("axe-core is not here: npm ci")
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("language", "width"), [("en", DESKTOP), ("ru", PHONE)])
def test_a_visitor_tries_it_signs_up_and_pays_for_an_answer(
    stack: Stack, chrome: Browser, language: Language, width: int
) -> None:
    text, label = WORDS[language]
    with tab(chrome, stack.url, language=language, width=width) as person:
        person.open("/")
        question(person).fill(text)
        person.button("auth.try").click()
        expect_answered(person)
        expect(answer(person)).to_contain_text(label)
        create_account(person, new_name(f"compose-{language}"))
        expect_balance(person, 100)
        person.open("/app/predict")
        ask(person, text)
        expect_answered(person)
        expect(answer(person)).to_contain_text(label)
        expect_balance(person, 99)
        person.page.reload()
        person.shown()
        expect_answered(person)
        expect_balance(person, 99)
        assert person.overflow() == ""
        assert person.accessibility_faults() == []
