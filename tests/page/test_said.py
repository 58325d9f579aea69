"""What a screen reader says: each thing once, and what is new where the focus is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.conftest import OpenTab
from tests.support.browser import PATIENCE_MS, PHONE, Language, Tab
from tests.support.page_people import PASSWORD, new_name
from tests.support.system import System


@pytest.fixture
def person(native: System) -> str:
    name = new_name("said")
    native.register(name, 0).close()
    return name


def spoken(tab: Tab, *roles: str) -> list[str]:
    """The names that the browser gives to what has these roles."""
    devtools = tab.page.context.new_cdp_session(tab.page)
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    devtools.detach()
    return [one["name"]["value"] for one in nodes if not one["ignored"] and one["role"]["value"] in roles]


def test_cards_of_a_table_are_named_by_their_first_column_and_say_no_head_twice(
    open_tab: OpenTab, native: System, person: str
) -> None:
    with native.client(person, PASSWORD) as client:
        made = client.post("/api-keys", json={"name": "ci", "scopes": ["predict"]}).json()
    with open_tab(width=PHONE) as tab:
        tab.sign_in(person, PASSWORD).open("/app/developers")
        part = tab.page.get_by_role("region", name=tab.words("keys.title"), exact=True)
        expect(part.get_by_role("rowheader")).to_be_visible()
        assert f"ci {made['prefix']}…" in spoken(tab, "rowheader")
        assert tab.words("keys.never") in spoken(tab, "cell")
        assert tab.words("keys.used") in spoken(tab, "columnheader")


def test_a_dialog_says_what_it_asks_and_what_has_become_of_it(open_tab: OpenTab, native: System, person: str) -> None:
    url = "https://nowhere.example.invalid/hook"
    with native.client(person, PASSWORD) as client, open_tab() as tab:
        made = client.post("/webhooks", json={"url": url, "events": ["balance.low"]}).json()
        tab.sign_in(person, PASSWORD).open("/app/developers")
        dialog = tab.page.get_by_role("dialog")
        tab.button("webhooks.make").click()
        expect(dialog).to_have_accessible_description(tab.words("webhooks.form_text"))
        tab.page.keyboard.press("Escape")
        tab.button("webhooks.log").click()
        assert client.delete(f"/webhooks/{made['id']}").status_code == 204
        dialog.get_by_role("button", name=tab.words("webhooks.test")).click()
        expect(dialog.get_by_role("status").filter(has_text=tab.words("error.not_found"))).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_search_says_what_it_found(open_tab: OpenTab, native: System, person: str, language: Language) -> None:
    native.run("--cli", "admin", "create", person, "--existing")
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/operate/users")
        expect(tab.page).to_have_title(re.compile(tab.words("operate.users")))
        tab.page.get_by_role("searchbox", name=tab.words("operate.find_user")).fill(person)
        said = tab.page.get_by_role("status").get_by_text(tab.words("action.found", n=1), exact=True)
        expect(said).to_have_count(1)
        tab.page.route(
            "**/admin/users?*", lambda route: route.fulfill(json=route.fetch().json() | {"next_cursor": "x"})
        )
        tab.page.get_by_role("searchbox", name=tab.words("operate.find_user")).fill(person[:-1])
        first = tab.page.get_by_role("status").get_by_text(tab.words("action.found_first", n="@").split("@")[-1])
        expect(first).to_have_count(1)
        tab.page.unroute_all(behavior="ignoreErrors")
        tab.page.get_by_role("searchbox", name=tab.words("operate.search_all")).fill("nobody-has-this")
        tab.page.keyboard.press("Enter")
        nothing = tab.page.get_by_role("status").get_by_text(tab.words("action.found", n=0), exact=True)
        expect(nothing).to_have_count(1)
        tab.open("/app/history")
        tab.page.get_by_role("searchbox").fill("nonsense")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("alert")).to_have_text(tab.words("history.not_an_id"))


@pytest.mark.parametrize("language", ["en", "ru"])
def test_where_ones_own_columns_are_is_said_on_each_device(
    open_tab: OpenTab, person: str, tmp_path: Path, language: Language
) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("id;review\n1;!hang\n2;good")
    with open_tab(language=language, width=PHONE) as first, open_tab(language=language) as second:
        first.sign_in(person, PASSWORD).open("/app/bulk")
        first.page.get_by_label(first.words("bulk.model")).select_option("troublesome")
        first.page.locator("input[type=file]").set_input_files(file)
        first.page.get_by_label(first.words("bulk.column")).select_option(label="review")
        first.button("bulk.start").click()
        expect(first.page.get_by_text(first.words("bulk.columns_here"))).to_be_visible()
        assert first.overflow() == ""
        second.sign_in(person, PASSWORD).open("/app/bulk")
        expect(second.page.get_by_text(second.words("bulk.columns_elsewhere"))).to_be_visible()
        second.button("bulk.cancel").click()
        second.page.get_by_role("dialog").get_by_role("button", name=second.words("bulk.cancel_action")).click()
        job = first.page.get_by_role("region", name=first.words("bulk.job"), exact=True)
        expect(job.get_by_role("status")).to_have_text(first.words("bulk.phase.canceled"))


def test_nothing_is_said_of_columns_where_lines_were_pasted(open_tab: OpenTab, person: str) -> None:
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/bulk")
        tab.page.get_by_label(tab.words("bulk.model")).select_option("echo")
        tab.page.get_by_label(tab.words("bulk.paste")).fill("good\nbad")
        tab.button("bulk.start").click()
        tab.button("bulk.another").click(timeout=PATIENCE_MS)
        expect(tab.page.get_by_role("dialog")).to_contain_text(tab.words("bulk.discard_plain"))
        assert "column" not in tab.text()
