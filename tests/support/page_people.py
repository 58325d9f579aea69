"""People who use the page."""

from __future__ import annotations

import itertools
import re

from playwright.sync_api import Locator, expect

from tests.support.browser import PATIENCE_MS, Tab

PASSWORD = "a quiet green river"
_numbers = itertools.count(1)


def new_name(kind: str = "person") -> str:
    """A name that nobody has yet."""
    return f"{kind}-{next(_numbers)}"


def create_account(tab: Tab, name: str, password: str = PASSWORD) -> None:
    """Create an account as a visitor does."""
    tab.page.get_by_role("button", name=tab.words("auth.create"), exact=True).locator("visible=true").first.click()
    fill_in(tab, name, password)
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("button", name=tab.words("auth.create"), exact=True).last.click()
    dialog.wait_for(state="detached")


def fill_in(tab: Tab, name: str, password: str) -> None:
    """Type a name and a password into the dialog."""
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label(tab.words("auth.name"), exact=True).fill(name)
    dialog.get_by_label(tab.words("auth.password"), exact=True).fill(password)


def is_signed_in(tab: Tab) -> bool:
    """Whether the bar shows an account."""
    return tab.page.get_by_role("button", name=tab.words("nav.menu")).is_visible()


def question(tab: Tab) -> Locator:
    """Where the text is typed."""
    return tab.page.get_by_role("region", name=tab.words("predict.question"), exact=True).get_by_role("textbox").first


def answer(tab: Tab) -> Locator:
    """Where the answer appears."""
    return tab.page.get_by_role("region", name=tab.words("predict.answer"), exact=True)


def choose_model(tab: Tab, name: str) -> None:
    """Choose a model in the picker."""
    tab.page.locator(".ask__model").get_by_role("button").first.click()
    tab.page.locator(".picker__one", has=tab.page.get_by_text(name, exact=True)).click()


def ask(tab: Tab, text: str) -> None:
    """Type a text and press Ctrl+Enter."""
    question(tab).fill(text)
    question(tab).press("Control+Enter")


def expect_answered(tab: Tab) -> None:
    """Wait for the answer."""
    said = re.compile(re.escape(tab.words("predict.done", time="@")).replace("@", ".+"))
    expect(answer(tab)).to_contain_text(said, timeout=PATIENCE_MS)


def expect_balance(tab: Tab, credits_: int) -> None:
    """Wait until the bar shows so many credits."""
    expect(tab.page.locator(".balance")).to_contain_text(re.compile(rf"^\s*{credits_}\s*$"), timeout=PATIENCE_MS)
