"""History, many at once, credits, account: what a client does after the first answer."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from tests.page.conftest import OpenTab
from tests.support.browser import DESKTOP, PATIENCE_MS, PHONE, Language, Tab
from tests.support.page_people import PASSWORD, answer, expect_balance, new_name
from tests.support.system import System

ROWS = 250


def person_with(native: System, *texts: str, credits_: int = 0) -> str:
    """Somebody who has asked echo for these."""
    name = new_name("client")
    with native.register(name, credits_) as client:
        for text in texts:
            asked = {"model": "echo", "input": {"text": text}}
            assert client.post("/predictions/predict", json=asked, headers={"Prefer": "wait=20"}).status_code == 200
    return name


def main(tab: Tab) -> str:
    return tab.page.locator("main").inner_text()


@pytest.mark.parametrize(("language", "width"), [("en", DESKTOP), ("ru", PHONE)])
def test_yesterdays_answer_is_found_and_asked_again(
    open_tab: OpenTab, native: System, language: Language, width: int
) -> None:
    name = person_with(native, "the first question", "the second question")
    with open_tab(language=language, width=width) as tab:
        tab.sign_in(name, PASSWORD).open("/app/history")
        tab.page.locator("main").get_by_text("the first question").first.click()
        repeat = tab.page.get_by_role("button", name=tab.words("history.repeat", cost=1))
        expect(repeat).to_be_visible()
        opened = tab.page.url
        assert "open=" in opened
        assert tab.accessibility_faults() == []
        tab.page.reload()
        tab.shown()
        expect(repeat).to_be_visible()
        repeat.click()
        expect(tab.page.get_by_text(tab.words("history.repeated"))).to_be_visible()
        expect_balance(tab, 97)
        tab.page.get_by_role("link", name=tab.words("history.open")).click()
        expect(answer(tab)).to_contain_text("the first question")
        tab.page.go_back()
        expect(repeat).to_be_visible()
        tab.page.keyboard.press("Escape")
        tab.page.locator("main").get_by_text("the second question").first.click()
        tab.page.get_by_role("link", name=tab.words("history.open")).click()
        expect(answer(tab)).to_contain_text("the second question")


def test_a_text_from_right_to_left_begins_at_its_beginning(open_tab: OpenTab, native: System) -> None:
    name = person_with(native, "هذا المنتج رائع جدا وأنصح به الجميع " * 9, "from left to right")
    with open_tab(width=PHONE) as tab:
        tab.sign_in(name, PASSWORD)
        for path in ("predict", "history"):
            tab.open(f"/app/{path}")
            for text, direction in (("هذا المنتج", "rtl"), ("from left to right", "ltr")):
                expect(tab.page.locator("main .truncate").get_by_text(text).first).to_have_css("direction", direction)


def test_filters_stand_in_the_address_and_are_cleared(open_tab: OpenTab, native: System) -> None:
    name = person_with(native, "one question")
    with open_tab() as tab:
        tab.sign_in(name, PASSWORD).open("/app/history?status=failed")
        expect(tab.page.get_by_text(tab.words("history.no_match"))).to_be_visible()
        tab.page.get_by_role("button", name=tab.words("history.clear")).first.click()
        expect(tab.page.locator("main").get_by_text("one question").first).to_be_visible()
        assert "failed" not in tab.page.url
        tab.page.go_back()
        expect(tab.page.get_by_text(tab.words("history.no_match"))).to_be_visible()


def test_an_empty_history_says_what_to_do(open_tab: OpenTab, native: System) -> None:
    name = person_with(native)
    with open_tab(language="ru") as tab:
        tab.sign_in(name, PASSWORD).open("/app/history")
        expect(tab.page.get_by_text(tab.words("history.empty_text"))).to_be_visible()
        tab.page.locator("main").get_by_role("link", name=tab.words("history.first")).click()
        tab.page.wait_for_url(re.compile("/app/predict"))


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_file_of_reviews_is_asked_watched_and_downloaded(
    open_tab: OpenTab, native: System, tmp_path: Path, language: Language
) -> None:
    name = person_with(native, "so that its time is known", credits_=ROWS)
    file = tmp_path / "reviews.csv"
    lines = ["id;review", *(f'{number};"It is ""good"", number {number};"' for number in range(ROWS))]
    file.write_text("\n".join(lines))
    with open_tab(language=language) as tab:
        tab.sign_in(name, PASSWORD).open("/app/bulk")
        tab.page.get_by_label(tab.words("bulk.model")).select_option("echo")
        tab.page.locator("input[type=file]").set_input_files(file)
        column = tab.page.get_by_label(tab.words("bulk.column"))
        column.select_option(label="review")
        before = re.escape(tab.words("bulk.before_time", rows=ROWS, cost=ROWS, time="@"))
        expect(tab.page.locator("main")).to_contain_text(re.compile(before.replace("@", r"[\d.,]+.(s|с|min|мин)")))
        assert tab.accessibility_faults() == []
        tab.button("bulk.start").click()
        job = tab.page.get_by_role("region", name=tab.words("bulk.job"))
        expect(job).to_be_visible()
        tab.page.reload()
        expect(job).to_contain_text(tab.words("bulk.phase.finished"), timeout=60_000)
        assert tab.accessibility_faults() == []
        with tab.page.expect_download() as download:
            tab.button("action.download").click()
        expect_balance(tab, 99)
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    assert len(rows) == ROWS + 1
    assert 'It is "good", number 7;' in rows[8]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_job_that_goes_on_fits_a_phone_and_is_canceled(open_tab: OpenTab, native: System, language: Language) -> None:
    name = person_with(native, credits_=ROWS)
    rows = ["one", "two", "!hang", *["three"] * 40]
    with open_tab(language=language, width=PHONE) as tab:
        tab.sign_in(name, PASSWORD).open("/app/bulk")
        tab.page.get_by_label(tab.words("bulk.model")).select_option("troublesome")
        tab.page.get_by_label(tab.words("bulk.paste")).fill("\n".join(rows))
        tab.button("bulk.start").press("Enter")
        job = tab.page.get_by_role("region", name=tab.words("bulk.job"))
        expect(job).to_contain_text(tab.words("bulk.phase.running"))
        expect(tab.page.get_by_role("main")).to_be_focused()
        assert tab.overflow() == ""
        # The longest that it says.
        tab.page.evaluate(
            "(said) => { document.querySelector('[role=main] .bar + p, main .bar + p').textContent = said; }",
            tab.words("bulk.running", done=9_999_999, total=10_000_000, rate="1000", left="23 min 59 s"),
        )
        assert tab.overflow() == ""
        tab.button("bulk.cancel").click()
        dialog = tab.page.get_by_role("dialog")
        dialog.get_by_role("button", name=tab.words("bulk.keep")).click()
        expect(dialog).to_be_hidden()
        tab.button("bulk.cancel").click()
        dialog.get_by_role("button", name=tab.words("bulk.cancel_action")).click()
        expect(job).to_contain_text(tab.words("bulk.phase.canceled"))
        assert int(job.get_by_role("progressbar").get_attribute("value") or 0) < len(rows)


@pytest.mark.parametrize(("language", "width"), [("en", DESKTOP), ("ru", PHONE)])
def test_a_job_that_has_ended_is_opened_again_and_downloaded(
    open_tab: OpenTab, native: System, language: Language, width: int
) -> None:
    name = person_with(native)
    with open_tab(language=language, width=width) as tab:
        tab.sign_in(name, PASSWORD).open("/app/bulk")
        recent = tab.page.get_by_role("region", name=tab.words("bulk.recent"))
        expect(recent).to_be_hidden()
        tab.page.get_by_label(tab.words("bulk.model")).select_option("echo")
        tab.page.get_by_label(tab.words("bulk.paste")).fill("the first\nthe second")
        tab.button("bulk.start").click()
        job = tab.page.get_by_role("region", name=tab.words("bulk.job"))
        expect(job).to_contain_text(tab.words("bulk.phase.finished"), timeout=60_000)
        tab.button("bulk.another").click()
        tab.page.get_by_role("dialog").get_by_role("button", name=tab.words("bulk.discard_action")).click()
        expect(recent.get_by_role("row")).to_have_count(2)
        expect(recent).to_contain_text(tab.words("bulk.phase.finished"))
        assert tab.accessibility_faults() == []
        assert tab.overflow() == ""
        recent.get_by_role("button", name=tab.words("bulk.open")).click()
        expect(job).to_contain_text(tab.words("bulk.columns_elsewhere"))
        with tab.page.expect_download() as download:
            tab.button("action.download").click()
        assert "the second" in Path(download.value.path()).read_text(encoding="utf-8-sig")
        tab.button("bulk.another").click()
        expect(recent).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_job_that_costs_more_than_there_is_does_not_start(
    open_tab: OpenTab, native: System, language: Language
) -> None:
    name = person_with(native)
    with open_tab(language=language) as tab:
        tab.sign_in(name, PASSWORD).open("/app/bulk")
        expect_balance(tab, 100)
        tab.page.get_by_label(tab.words("bulk.model")).select_option("echo")
        lines = tab.page.get_by_label(tab.words("bulk.paste"))
        lines.fill("\n".join(["one"] * 103))
        short = tab.words("bulk.short", missing=3, cost=103, balance=100)
        expect(tab.page.locator("main")).to_contain_text(short)
        expect(tab.button("bulk.start")).to_be_disabled()
        assert tab.accessibility_faults() == []
        tab.page.locator("main").get_by_role("link", name=tab.words("how.title")).click()
        tab.page.wait_for_url("**/app/credits*")
        tab.page.go_back()
        expect(tab.page.locator("main")).to_contain_text(short)
        lines.fill("\n".join(["one"] * 100))
        expect(tab.button("bulk.start")).to_be_enabled()


def test_the_statement_adds_up(open_tab: OpenTab, native: System) -> None:
    name = person_with(native, "a", "b", "c")
    with open_tab() as tab:
        tab.sign_in(name, PASSWORD).open("/app/credits")
        expect(tab.page.locator("main")).to_contain_text(tab.words("kind.capture"), timeout=PATIENCE_MS)
        assert "97" in main(tab)
        with tab.page.expect_download() as download:
            tab.page.get_by_text(tab.words("credits.csv")).first.click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        assert text.count("capture") == 3


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_sees_that_telegram_is_connected(open_tab: OpenTab, native: System, language: Language) -> None:
    name = person_with(native)
    linked = {"chats": 0}
    with open_tab(language=language) as tab:
        # No bot runs here: what it does is held by tests/e2e/bot.
        service = httpx2.get(native.url + "/service").json() | {"telegram_bot": "the_bot"}
        tab.page.route("**/service", lambda route: route.fulfill(json=service))
        tab.page.route(
            "**/users/me/telegram",
            lambda route: route.fulfill(json=linked) if route.request.method == "GET" else route.continue_(),
        )
        tab.sign_in(name, PASSWORD).open("/app/account")
        tab.button("account.telegram_connect").click()
        expect(tab.page.get_by_text("/link ")).to_be_visible()
        expect(tab.page.locator(".link-chat :focus")).to_have_count(1)
        linked["chats"] = 1
        said = tab.page.get_by_role("status").get_by_text(tab.words("account.telegram_linked"))
        expect(said).to_be_visible()
        expect(tab.page.get_by_text("/link ")).to_have_count(0)
        expect(tab.page.get_by_text(tab.words("account.telegram_chats", n=1))).to_be_visible()
        expect(tab.button("account.telegram_another")).to_be_visible()
        assert tab.accessibility_faults() == []


def test_a_password_is_changed_and_the_account_deleted(open_tab: OpenTab, native: System) -> None:
    name = person_with(native, "a secret question")
    with open_tab() as tab:
        tab.sign_in(name, PASSWORD).open("/app/account")
        tab.page.get_by_label(tab.words("account.password_old"), exact=True).fill(PASSWORD)
        tab.page.get_by_label(tab.words("account.password_new"), exact=True).fill("another green river")
        tab.button("account.password_change").click()
        expect(tab.page.get_by_text(tab.words("account.password_changed"))).to_be_visible()
        tab.button("account.delete").click()
        dialog = tab.page.get_by_role("dialog")
        expect(dialog).to_contain_text(tab.words("account.delete_text"))
        dialog.get_by_label(tab.words("auth.password"), exact=True).fill("another green river")
        dialog.get_by_role("button", name=tab.words("account.delete")).last.click()
        expect(tab.page.get_by_text(tab.words("account.deleted"))).to_be_visible()
        expect(tab.button("auth.sign_in")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_admin_sees_what_is_wrong_and_gives_credits(open_tab: OpenTab, native: System, language: Language) -> None:
    admin, client = person_with(native), person_with(native, "a question")
    native.run("--cli", "admin", "create", admin, "--existing")
    with open_tab(language=language) as tab:
        tab.sign_in(admin, PASSWORD).open("/app/operate/overview")
        expect(tab.page.locator("main")).to_contain_text("worker-1", timeout=PATIENCE_MS)
        tab.open("/app/operate/users")
        tab.page.get_by_role("searchbox", name=tab.words("operate.find_user")).fill(client)
        tab.page.get_by_text(client).first.click()
        tab.button("operate.give_credits").click()
        dialog = tab.page.get_by_role("dialog")
        dialog.get_by_label(tab.words("operate.amount"), exact=True).fill("11")
        dialog.get_by_label(tab.words("operate.reason"), exact=True).fill("a test of the page")
        assert tab.accessibility_faults() == []
        dialog.get_by_role("button", name=tab.words("operate.give_credits")).last.click()
        expect(dialog).to_be_hidden()
        tab.open("/app/operate/actions")
        expect(tab.page.locator("main")).to_contain_text("a test of the page")
    with native.client(client, PASSWORD) as asked:
        assert asked.get("/balance").json()["balance"] == 110


def test_operate_is_for_admins_only(open_tab: OpenTab, native: System) -> None:
    name = person_with(native)
    with open_tab() as tab:
        tab.sign_in(name, PASSWORD).open("/app/operate/users")
        expect(tab.page.get_by_text(tab.words("state.admins_only"))).to_be_visible()
