"""Somebody who uses the keyboard stays where they are when what had the focus moves out of sight or leaves the page."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.page.conftest import OpenTab
from tests.support.browser import PHONE, TABLET, Language, Tab
from tests.support.page_people import PASSWORD, new_name
from tests.support.system import System

ROWS = 90
DELIVERIES = 26
"""One more than the log of a webhook shows at first."""


@pytest.fixture
def person(native: System) -> str:
    name = new_name("focus")
    native.register(name, 200).close()
    return name


def asked(native: System, person: str, model: str, texts: list[str]) -> None:
    with native.client(person, PASSWORD) as client:
        items = [{"model": model, "input": {"text": text}} for text in texts]
        assert client.post("/predictions/batch", json={"items": items}).status_code == 202


def row(tab: Tab, place: int) -> Locator:
    return tab.page.locator(f"[aria-posinset='{place}'] > .vlist__head")


def test_a_list_keeps_the_focus_when_it_scrolls_past_the_row(open_tab: OpenTab, native: System, person: str) -> None:
    asked(native, person, "echo", [f"question {number}" for number in range(ROWS)])
    with open_tab(width=PHONE) as tab:
        tab.sign_in(person, PASSWORD).open("/app/history")
        row(tab, 2).press("ArrowDown")
        expect(row(tab, 3)).to_be_focused()
        tab.page.keyboard.press("End")
        expect(row(tab, ROWS)).to_be_in_viewport()
        expect(row(tab, 3)).to_be_focused()
        expect(row(tab, 20)).to_have_count(0)
        assert tab.accessibility_faults() == []
        tab.page.keyboard.press("ArrowDown")
        expect(row(tab, 4)).to_be_focused()
        expect(row(tab, 4)).to_be_in_viewport()
        tab.page.keyboard.press("Enter")
        panel = tab.page.locator(".vlist__panel")
        copy = panel.get_by_role("button", name=tab.words("answer.copy"))
        copy.focus()
        tab.page.keyboard.press("End")
        expect(row(tab, ROWS)).to_be_in_viewport()
        expect(copy).to_be_focused()


def test_arrows_scroll_a_list_whose_rows_are_no_buttons(open_tab: OpenTab, native: System, person: str) -> None:
    asked(native, person, "echo", [f"question {number}" for number in range(ROWS // 3)])
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/credits")
        tab.page.locator(".vlist a").nth(5).focus()
        before = tab.page.evaluate("scrollY")
        tab.page.keyboard.press("ArrowDown")
        tab.page.wait_for_function("(before) => scrollY > before", arg=before)


def test_what_is_deleted_leaves_the_focus_to_the_next_row_and_the_last_to_its_part(
    open_tab: OpenTab, native: System, person: str
) -> None:
    with native.client(person, PASSWORD) as client:
        for name in ("one", "two"):
            assert client.post("/api-keys", json={"name": name, "scopes": ["predict"]}).status_code == 201
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/developers")
        part = tab.page.get_by_role("region", name=tab.words("keys.title"), exact=True)
        for name, next_ in (
            ("two", part.get_by_role("row").filter(has_text="one")),
            ("one", part),
        ):
            tab.page.get_by_role("button", name=tab.words("keys.actions", name=name)).press("Enter")
            tab.page.locator(".menu__item", has_text=tab.words("keys.revoke")).press("Enter")
            dialog = tab.page.get_by_role("dialog")
            dialog.get_by_role("button", name=tab.words("keys.revoke")).press("Enter")
            expect(dialog).to_be_hidden()
            expect(next_).to_be_focused()
        native.client(person, PASSWORD).close()
        tab.open("/app/account")
        sessions = tab.page.get_by_role("region", name=tab.words("account.sessions"), exact=True)
        tab.button("account.session_end_all").press("Enter")
        expect(sessions).to_be_focused()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_job_that_finishes_under_the_focus_keeps_it(open_tab: OpenTab, person: str, language: Language) -> None:
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/bulk")
        tab.page.get_by_label(tab.words("bulk.model")).select_option("troublesome")
        tab.page.get_by_label(tab.words("bulk.paste")).fill("\n".join(["!nap"] * 120))
        tab.button("bulk.start").press("Enter")
        tab.button("bulk.cancel").focus()
        job = tab.page.get_by_role("region", name=tab.words("bulk.job"), exact=True)
        expect(job.get_by_role("status")).to_have_text(tab.words("bulk.phase.finished"))
        expect(job).to_be_focused()
        tab.page.keyboard.press("Tab")
        expect(tab.button("action.download")).to_be_focused()


def test_a_chat_that_is_linked_under_the_focus_keeps_it(open_tab: OpenTab, person: str) -> None:
    linked = {"chats": 0}
    with open_tab() as tab:
        # No bot runs here: what it does is held by tests/e2e/bot.
        tab.page.route("**/service", lambda one: one.fulfill(json=one.fetch().json() | {"telegram_bot": "the_bot"}))
        tab.page.route(
            "**/users/me/telegram",
            lambda one: one.fulfill(json=linked) if one.request.method == "GET" else one.continue_(),
        )
        tab.sign_in(person, PASSWORD).open("/app/account")
        tab.button("account.telegram_connect").press("Enter")
        expect(tab.page.locator(".link-chat :focus")).to_have_count(1)
        linked["chats"] = 1
        expect(tab.page.get_by_role("region", name="Telegram", exact=True)).to_be_focused()
        tab.page.unroute_all(behavior="ignoreErrors")  # it may ask once more while the tab is closed


def test_trying_again_keeps_the_focus_at_what_comes(open_tab: OpenTab, person: str) -> None:
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD)
        # Whatever refuses without a promise to answer later; tests/page/test_refusals.py has a real one.
        tab.page.route("**/transactions*", lambda one: one.fulfill(status=403, json={"code": "blocked", "detail": ""}))
        tab.open("/app/credits")
        statement = tab.page.get_by_role("region", name=tab.words("credits.statement"), exact=True)
        again = statement.get_by_role("button", name=tab.words("action.retry"))
        again.focus()
        tab.page.unroute("**/transactions*")
        again.press("Enter")
        expect(statement.get_by_text(tab.words("kind.grant"))).to_be_visible()
        expect(statement).to_be_focused()


def test_showing_more_says_how_many_came_and_leaves_the_focus_on_the_first(
    open_tab: OpenTab, native: System, person: str
) -> None:
    with native.client(person, PASSWORD) as client:
        url = "https://nowhere.example.invalid/hook"
        made = client.post("/webhooks", json={"url": url, "events": ["balance.low"]}).json()
        for _ in range(DELIVERIES):
            assert client.post(f"/webhooks/{made['id']}/test").status_code == 202
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/developers")
        tab.button("webhooks.log").press("Enter")
        dialog = tab.page.get_by_role("dialog")
        dialog.get_by_role("button", name=tab.words("action.show_more")).press("Enter")
        expect(dialog.get_by_role("status").filter(has_text=tab.words("action.more_shown", n=1))).to_have_count(1)
        expect(dialog.locator(".messages > li").nth(DELIVERIES - 1)).to_be_focused()


def test_a_wrong_field_has_the_focus_beside_what_is_wrong(open_tab: OpenTab, person: str) -> None:
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/account")
        old = tab.page.get_by_label(tab.words("account.password_old"), exact=True)
        old.fill("not the password")
        tab.page.get_by_label(tab.words("account.password_new"), exact=True).fill("another green river")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_text(tab.words("account.password_wrong"))).to_be_visible()
        expect(old).to_be_focused()


def test_a_list_in_a_form_keeps_the_focus_where_an_item_was_removed(open_tab: OpenTab, person: str) -> None:
    def with_a_list(route: Route) -> None:
        found = route.fetch().json()
        for one in found["items"]:
            if one["name"] == "echo":
                tags = {"type": "array", "items": {"type": "string"}, "default": []}
                one["input_schema"] = {"type": "object", "properties": {"tags": tags}}
        route.fulfill(json=found)

    with open_tab() as tab:
        tab.page.route("**/models", with_a_list)
        tab.sign_in(person, PASSWORD).open("/app/predict")
        tab.page.locator(".ask__model").get_by_role("button").first.click()
        tab.page.locator(".picker__one", has=tab.page.get_by_text("echo", exact=True)).click()
        group = tab.page.get_by_role("group", name=re.compile("^Tags"))
        group.get_by_role("button", name=tab.words("form.add")).press("Enter")
        group.get_by_role("button", name=tab.words("form.remove", n=1)).press("Enter")
        expect(group).to_be_focused()
        tab.page.unroute_all(behavior="ignoreErrors")


def test_arrows_walk_through_a_menu_and_the_page_stays(open_tab: OpenTab, person: str) -> None:
    with open_tab(width=PHONE) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        opener = tab.page.locator(".ask__model").get_by_role("button").first
        opener.press("Enter")
        models = tab.page.locator(".picker__one")
        for key, place in (
            ("ArrowDown", 0),
            ("ArrowDown", 1),
            ("End", -1),
            ("ArrowDown", 0),
            ("ArrowUp", -1),
            ("Home", 0),
        ):
            tab.page.keyboard.press(key)
            expect(models.nth(place)).to_be_focused()
        tab.page.keyboard.press("Escape")
        expect(opener).to_be_focused()
        tab.page.get_by_role("button", name=tab.words("nav.menu")).press("Enter")
        for key in ("ArrowUp", "ArrowDown"):
            tab.page.keyboard.press(key)
        expect(tab.page.locator(".topbar .menu__panel a").first).to_be_focused()


COVERED = """() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return one === document.body || one.contains(top) || top?.contains(one) ? "" : one.outerHTML;
}"""


TWO_FRAMES = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn())))"
"""A person's keys come no faster; a list draws its rows in the frame after it has moved."""


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
@pytest.mark.parametrize("path", ["account", "credits"])
def test_no_bar_covers_what_the_tab_key_reaches(
    open_tab: OpenTab, native: System, person: str, path: str, key: str
) -> None:
    asked(native, person, "echo", ["a question"] * 15)
    with native.client(person, PASSWORD) as client:  # each answer is a new row above what has the focus
        while len(client.get("/predictions", params={"status": "succeeded"}).json()["items"]) < 15:
            time.sleep(0.1)
    with open_tab(width=TABLET) as tab:
        tab.sign_in(person, PASSWORD).open(f"/app/{path}")
        covered = []
        for _ in range(50):
            tab.page.keyboard.press(key)
            tab.page.evaluate(TWO_FRAMES)
            covered.append(tab.page.evaluate(COVERED))
        assert [one for one in covered if one] == []
