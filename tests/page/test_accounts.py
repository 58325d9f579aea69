"""Coming, signing in, staying, leaving."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.page.conftest import OpenTab
from tests.support.browser import DESKTOP, PATIENCE_MS, PHONE, TABLET, Language, Theme, tab
from tests.support.page_people import (
    PASSWORD,
    ask,
    create_account,
    expect_answered,
    expect_balance,
    fill_in,
    is_signed_in,
    new_name,
    question,
)
from tests.support.system import System

PEOPLE = [
    ("en", PHONE, "dark"),
    ("ru", PHONE, "light"),
    ("en", TABLET, "light"),
    ("ru", TABLET, "dark"),
    ("en", DESKTOP, "light"),
    ("ru", DESKTOP, "dark"),
]
"""Each language at each width, and both themes with each."""


@pytest.mark.parametrize(("language", "width", "theme"), PEOPLE)
def test_a_visitor_creates_an_account_comes_back_and_leaves(
    open_tab: OpenTab, language: Language, width: int, theme: Theme
) -> None:
    with open_tab(language=language, width=width, theme=theme) as tab:
        tab.open("/")
        create_account(tab, new_name())
        balance = tab.page.get_by_label(re.compile(re.escape(tab.words("balance.label", n=100))))
        expect(balance).to_be_visible()
        tab.page.reload()
        tab.shown()
        expect(balance).to_be_visible()
        tab.page.get_by_role("button", name=tab.words("nav.menu")).click()
        tab.button("auth.sign_out").click()
        expect(tab.button("auth.sign_in")).to_be_visible()
        tab.page.reload()
        expect(tab.button("auth.sign_in")).to_be_visible()


_WATCH = """() => {
  window.frames_seen = new Set();
  const look = () => {
    const [who, balance] = [".avatar", ".balance"].map((one) => document.querySelector(one)?.textContent.trim() ?? "");
    const isOld = document.querySelector("main").textContent.includes("asked in the demo");
    if (who === "P") window.frames_seen.add(`${balance} ${isOld}`);
    requestAnimationFrame(look);
  };
  look();
}"""
"""In each frame in which the new person is named, what the page shows of an account."""


@pytest.mark.parametrize("path", ["/app/predict", "/app/history"])
def test_nothing_of_the_demo_is_shown_to_the_account_that_is_created_in_it(open_tab: OpenTab, path: str) -> None:
    with open_tab() as tab:
        tab.sign_in().open("/app/predict")
        ask(tab, "asked in the demo")
        expect_answered(tab)
        tab.page.wait_for_url("**/app/predict/*")
        if path == "/app/predict":
            question(tab).fill("typed for the next")
        else:
            tab.page.get_by_role("navigation").get_by_role("link", name=tab.words("nav.history")).first.click()
            expect(tab.page.locator("main")).to_contain_text("asked in the demo")
        tab.page.evaluate(_WATCH)
        # The new account's stream says nothing: what is shown is what the page knows without it.
        tab.page.route("**/events", lambda _: None)
        create_account(tab, new_name())
        expect_balance(tab, 100)
        if path == "/app/predict":
            expect(question(tab)).to_have_value("typed for the next")
            expect(tab.page.get_by_text(tab.words("recent.none"))).to_be_visible()
            assert tab.page.url.endswith("/app/predict")
        else:
            expect(tab.page.get_by_text(tab.words("history.empty_text"))).to_be_visible()
        assert tab.page.evaluate("[...window.frames_seen]") == ["100 false"]


def test_a_job_of_the_demo_is_not_shown_to_the_account_that_is_created_in_it(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.sign_in().open("/app/bulk")
        tab.page.get_by_label(tab.words("bulk.model")).select_option("echo")
        tab.page.get_by_label(tab.words("bulk.paste")).fill("asked in the demo")
        tab.button("bulk.start").click()
        job = tab.page.get_by_role("region", name=tab.words("bulk.job"))
        expect(job).to_contain_text(tab.words("bulk.phase.finished"), timeout=PATIENCE_MS)
        create_account(tab, new_name())
        expect(tab.page.get_by_label(tab.words("bulk.paste"))).to_have_value("")
        expect(job).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_is_wrong_stands_where_it_was_typed(open_tab: OpenTab, language: Language) -> None:
    with open_tab(language=language) as tab:
        tab.open("/")
        name = new_name()
        create_account(tab, name)
        tab.page.get_by_role("button", name=tab.words("nav.menu")).click()
        tab.button("auth.sign_out").click()
        tab.button("auth.sign_in").click()
        dialog = tab.page.get_by_role("dialog")
        fill_in(tab, name, "not the password")
        tab.page.keyboard.press("Enter")
        expect(dialog).to_contain_text(tab.words("error.wrong_credentials"))
        dialog.get_by_role("button", name=tab.words("auth.create")).click()
        fill_in(tab, name, PASSWORD)
        tab.page.keyboard.press("Enter")
        field = dialog.get_by_label(tab.words("auth.name"), exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(dialog).to_contain_text(tab.words("error.username_taken"))
        fill_in(tab, new_name(), "short")
        tab.page.keyboard.press("Enter")
        expect(dialog.get_by_label(tab.words("auth.password"), exact=True)).to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_only_the_service_refuses_is_said_in_the_pages_language(
    open_tab: OpenTab, native: System, language: Language
) -> None:
    name = new_name()
    native.register(name).close()
    words = "This password is among the most common ones; choose another."
    with open_tab(language=language) as tab:
        tab.open("/")
        said = tab.page.evaluate("(words) => import('/web/i18n/index.js').then((page) => page.refused(words))", words)
        assert (said == words) == (language == "en")
        tab.button("auth.create").click()
        fill_in(tab, new_name(), "password12")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("dialog")).to_contain_text(said)
        tab.sign_in(name, PASSWORD).open("/app/history?id=none")
        expect(tab.page.get_by_text(tab.words("error.not_found"))).to_be_visible()


def test_all_of_it_by_the_keyboard(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.open("/")
        keyboard = tab.page.keyboard
        keyboard.press("Tab")
        expect(tab.page.get_by_text(tab.words("app.skip"))).to_be_focused()
        for _ in range(20):
            keyboard.press("Tab")
            if tab.button("auth.create").evaluate("(one) => one === document.activeElement"):
                break
        keyboard.press("Enter")
        dialog = tab.page.get_by_role("dialog")
        expect(dialog.get_by_label(tab.words("auth.name"), exact=True)).to_be_focused()
        keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(tab.button("auth.create")).to_be_focused()
        keyboard.press("Enter")
        keyboard.type(new_name())
        keyboard.press("Tab")
        keyboard.type(PASSWORD)
        keyboard.press("Enter")
        expect(tab.page.get_by_role("button", name=tab.words("nav.menu"))).to_be_visible()


def test_language_and_theme_are_remembered(open_tab: OpenTab) -> None:
    with open_tab(language="en", theme="light") as tab:
        tab.open("/").sign_in()
        tab.page.reload()
        tab.page.get_by_role("button", name=re.compile(tab.words("language.ru"))).click()
        expect(tab.page.locator("html")).to_have_attribute("lang", "ru")
        tab.page.get_by_role("button", name=tab.words("nav.menu")).click()
        tab.page.get_by_role("radio", name=tab.words("theme.dark")).check()
        background = "getComputedStyle(document.body).backgroundColor"
        dark = tab.page.evaluate(background)
        tab.page.reload()
        tab.shown()
        assert tab.page.evaluate(background) == dark
        tab.look(theme="dark")
        assert tab.page.evaluate(background) == dark
        assert tab.page.locator("html").get_attribute("lang") == "ru"


def test_two_tabs_sign_in_and_out_together(chrome: Browser, open_tab: OpenTab, native: System) -> None:
    with open_tab() as first, tab(chrome, native.url, context=first.page.context) as second:
        first.open("/")
        second.open("/")
        create_account(first, new_name())
        expect(second.page.get_by_role("button", name=second.words("nav.menu"))).to_be_visible()
        second.page.get_by_role("button", name=second.words("nav.menu")).click()
        second.button("auth.sign_out").click()
        expect(first.button("auth.sign_in")).to_be_visible()
        assert not is_signed_in(first)


def test_signing_in_works_wherever_the_page_is_served(chrome: Browser, place: str) -> None:
    with tab(chrome, place, language="ru", width=PHONE) as opened:
        opened.open("/")
        create_account(opened, new_name("place"))
        opened.page.reload()
        opened.shown()
        assert is_signed_in(opened)
