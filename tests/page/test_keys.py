"""API keys on the page: made, shown once, bounded, changed, rotated and revoked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, expect

from tests.page.conftest import OpenTab
from tests.support.browser import DESKTOP, PHONE, Language, Tab
from tests.support.page_people import PASSWORD, new_name
from tests.support.system import System

SHOTS = os.environ.get("SHOTS")
"""A folder for pictures of what the test sees, for a person to look at."""


def shot(tab: Tab, name: str) -> None:
    if SHOTS:
        tab.page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def dialog(tab: Tab) -> Locator:
    return tab.page.locator("dialog[open]")


def submit(tab: Tab, key: str) -> None:
    dialog(tab).get_by_role("button", name=tab.words(key), exact=True).click()


def shown_key(tab: Tab) -> str:
    """The key that is shown now; says that it is kept."""
    expect(dialog(tab)).to_contain_text(tab.words("keys.shown_text"))
    assert tab.accessibility_faults() == []
    key = dialog(tab).locator(".key-shown code").inner_text()
    submit(tab, "keys.kept")
    expect(dialog(tab)).to_have_count(0)
    return key


def predicted(native: System, key: str) -> tuple[int, str | None]:
    asked = {"model": "echo", "input": {"text": "hello"}}
    answer = httpx2.post(f"{native.url}/predictions/predict", json=asked, headers={"X-API-Key": key}, timeout=30)
    return answer.status_code, answer.json().get("code")


def act(tab: Tab, name: str, action: str) -> None:
    tab.page.get_by_role("button", name=tab.words("keys.actions", name=name)).click()
    tab.page.locator(".menu__item", has_text=tab.words(action)).click()


def test_the_keyboard_makes_a_key_and_comes_back(open_tab: OpenTab, native: System) -> None:
    person = new_name("keys")
    native.register(person).close()
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/developers")
        tab.button("keys.make").press("Enter")
        expect(dialog(tab).get_by_role("textbox").first).to_be_focused()
        tab.page.keyboard.type("by hand")
        tab.page.keyboard.press("Enter")
        assert shown_key(tab)
        menu = tab.page.get_by_role("button", name=tab.words("keys.actions", name="by hand"))
        menu.press("Enter")
        tab.page.locator(".menu__item", has_text=tab.words("keys.revoke")).press("Enter")
        expect(dialog(tab)).to_be_visible()
        tab.page.keyboard.press("Escape")
        expect(menu).to_be_focused()


@pytest.mark.parametrize(("language", "width", "theme"), [("en", DESKTOP, "light"), ("ru", PHONE, "dark")])
def test_a_key_is_made_bounded_rotated_and_revoked(
    open_tab: OpenTab, native: System, language: Language, width: int, theme: str
) -> None:
    person = new_name("keys")
    with native.register(person):
        pass
    with open_tab(language=language, width=width, theme=theme) as tab:
        tab.sign_in(person, PASSWORD).open("/app/developers")
        shot(tab, f"{language}-empty")
        expect(tab.page.get_by_text(tab.words("keys.empty"))).to_be_visible()
        tab.page.get_by_role("button", name=tab.words("keys.make")).click()
        submit(tab, "keys.make")
        expect(dialog(tab).locator(".field__error")).to_have_count(1)  # a name: the cap has a first value
        dialog(tab).get_by_label(tab.words("keys.name"), exact=True).fill("ci & cd")
        dialog(tab).get_by_label(tab.words("keys.cap_credits")).fill("1")
        shot(tab, f"{language}-form")
        assert tab.accessibility_faults() == []
        submit(tab, "keys.make")
        shot(tab, f"{language}-shown")
        first = shown_key(tab)
        assert first.startswith("mls_")
        for kind in ("curl", "Python", "JavaScript"):
            tab.page.get_by_role("radio", name=kind).check()
            expect(tab.page.locator(".code__text").first).to_contain_text(first)
        assert predicted(native, first) == (202, None)
        assert predicted(native, first) == (402, "key_cap_exceeded")
        tab.page.reload()
        tab.shown()
        main = tab.page.locator("main")
        expect(main).to_contain_text(tab.words("keys.spent_day", spent="1", cap="1"))
        expect(main.locator("progress.bar--full")).to_have_count(1)
        assert first not in tab.page.content()
        expect(tab.page.get_by_role("radio", name="JavaScript")).to_be_checked()
        assert tab.overflow() == ""
        shot(tab, f"{language}-list")
        act(tab, "ci & cd", "keys.change")
        dialog(tab).get_by_label(tab.words("keys.cap_credits")).fill("5")
        submit(tab, "action.save")
        expect(main).to_contain_text(tab.words("keys.spent_day", spent="1", cap="5"))
        act(tab, "ci & cd", "keys.rotate")
        submit(tab, "keys.rotate")
        expect(dialog(tab).locator(".code__text")).to_contain_text("await fetch")
        second = shown_key(tab)
        assert [predicted(native, key)[0] for key in (first, second)] == [202, 202]
        act(tab, "ci & cd", "keys.revoke")
        submit(tab, "keys.revoke")
        expect(tab.page.get_by_text(tab.words("keys.empty"))).to_be_visible()
        assert [predicted(native, key)[0] for key in (first, second)] == [401, 401]
        tab.open("/app/predict")
        expect(tab.page.get_by_role("radio", name="JavaScript")).to_be_checked()


_ESCAPE_AT_ONCE = """async (item) => {
    item.click();
    for (let turn = 0; turn < 5 && !document.querySelector("dialog[open]"); turn += 1) await Promise.resolve();
    const escape = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true });
    document.activeElement.dispatchEvent(escape);
    return [document.querySelector("dialog[open]") !== null, escape.defaultPrevented];
}"""


def test_escape_belongs_to_the_dialog_that_a_menu_has_opened(open_tab: OpenTab, native: System) -> None:
    """Also before the next frame: a slow machine is that slow, and the dialog could no longer be closed by Escape."""
    person = new_name("keys")
    with native.register(person) as client:
        assert client.post("/api-keys", json={"name": "quick", "scopes": ["predict"]}).status_code == 201
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/developers")
        tab.page.get_by_role("button", name=tab.words("keys.actions", name="quick")).click()
        item = tab.page.locator(".menu__item", has_text=tab.words("keys.revoke"))
        assert item.evaluate(_ESCAPE_AT_ONCE) == [True, False]


def test_a_key_is_not_made_with_half_a_date(open_tab: OpenTab, native: System) -> None:
    person = new_name("keys")
    native.register(person).close()
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/developers")
        tab.button("keys.make").click()
        dialog(tab).get_by_label(tab.words("keys.name"), exact=True).fill("ci")
        expires = dialog(tab).get_by_label(tab.words("keys.expires"), exact=True)
        expires.press_sequentially("12")
        expires.press("Enter")
        expect(expires).to_have_accessible_description(re.compile(re.escape(tab.words("fault.unfinished"))))
        expect(expires).to_be_focused()
        expires.fill("2099-12-31")
        submit(tab, "keys.make")
        shown_key(tab)
