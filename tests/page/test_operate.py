"""Operate, as an admin uses it: what is filled in wrongly, what was done, and what is old."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.page.conftest import OpenTab
from tests.support.browser import PATIENCE_MS, PHONE, TABLET, Language
from tests.support.page_people import PASSWORD, expect_balance, new_name
from tests.support.system import System

ROOM_FOR_LABELS = """(drawn, label) => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `12px ${getComputedStyle(drawn).fontFamily}`;
  return [drawn.offsetLeft, pen.measureText(label).width];
}"""


def somebody(native: System, kind: str) -> str:
    """A new account, with the role that the kind names."""
    name = new_name(kind)
    with native.register(name, 0):
        pass
    if kind != "client":
        native.run("--cli", "admin", "create", name, "--existing", "--role", kind)
    return name


@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_admin_is_told_what_is_filled_in_wrongly(open_tab: OpenTab, native: System, language: Language) -> None:
    admin, client = somebody(native, "admin"), somebody(native, "client")
    with open_tab(language=language, width=PHONE) as tab:
        tab.sign_in(admin, PASSWORD).open(f"/app/operate/users?q={client}")
        tab.page.get_by_role("link", name=client).click()
        tab.shown()
        assert tab.overflow() == ""
        tab.button("operate.give_credits").click()
        dialog = tab.page.get_by_role("dialog")
        give = dialog.get_by_role("button", name=tab.words("operate.give_credits"))
        amount, reason = (dialog.get_by_label(tab.words(f"operate.{one}"), exact=True) for one in ("amount", "reason"))
        give.click()
        expect(dialog.get_by_text(tab.words("fault.required"))).to_have_count(2)
        expect(amount).to_be_focused()
        expect(reason).to_have_attribute("aria-invalid", "true")
        assert "body." not in dialog.inner_text()
        assert tab.accessibility_faults() == []
        amount.fill("0")
        reason.fill("a gift")
        give.click()
        expect(dialog.get_by_text(tab.words("fault.minimum", n=1))).to_be_visible()
        amount.fill("1e3")
        give.click()
        expect(amount).to_have_accessible_description(tab.words("fault.integer"))
        amount.fill("+50")
        tab.page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        said = tab.words("operate.credits_given", n=50, name=client, balance=150)
        expect(tab.page.get_by_role("status").get_by_text(said)).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_log_says_in_words_what_was_done(open_tab: OpenTab, native: System, language: Language) -> None:
    admin, client = somebody(native, "admin"), somebody(native, "client")
    native.run("--cli", "admin", "block", client, "--reason", "spam of a test")
    with open_tab(language=language) as tab:
        tab.sign_in(admin, PASSWORD).open("/app/operate/actions")
        row = tab.page.get_by_role("row").filter(has_text="spam of a test").filter(has_text=client)
        expect(row).to_contain_text(tab.words("operate.change.blocked"))
        assert "is_blocked" not in tab.text()
        tab.open("/app/operate/audit")
        expect(tab.page.get_by_text(tab.words("operate.audit_sum"))).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_offers_what_the_role_allows(open_tab: OpenTab, native: System, language: Language) -> None:
    client = somebody(native, "client")
    offered = {
        "viewer": (),
        "support": ("operate.give_credits",),
        "admin": ("operate.give_credits", "operate.role", "operate.block"),
    }
    for role, buttons in offered.items():
        with open_tab(language=language) as tab:
            tab.sign_in(somebody(native, role), PASSWORD).open(f"/app/operate/users?q={client}")
            tab.page.get_by_role("link", name=client).click()
            expect(tab.page.get_by_role("heading", name=client)).to_be_visible()
            tab.page.get_by_role("searchbox", name=tab.words("operate.search_all")).fill(client[:-1])
            tab.page.keyboard.press("Enter")
            expect(tab.page.get_by_role("rowheader", name=tab.words("found.user")).first).to_be_visible()
            tab.page.get_by_role("link", name=client, exact=True).click()
            expect(tab.page.get_by_role("heading", name=client)).to_be_visible()
            for name in offered["admin"]:
                expect(tab.button(name)).to_have_count(int(name in buttons))
            assert tab.accessibility_faults() == []
            if role != "admin":
                continue
            tab.button("operate.role").click()
            dialog = tab.page.get_by_role("dialog")
            dialog.get_by_label(tab.words("operate.role"), exact=True).select_option("viewer")
            dialog.get_by_label(tab.words("operate.reason"), exact=True).fill("a test")
            dialog.get_by_role("button", name=tab.words("action.save")).click()
            said = tab.words("operate.role_done", name=client, role=tab.words("role.viewer"))
            expect(tab.page.get_by_role("status").get_by_text(said)).to_be_visible()
            expect(tab.page.locator(".tag", has_text=tab.words("role.viewer"))).to_be_visible()
            tab.open("/app/operate/actions")
            expect(tab.page.get_by_role("row").filter(has_text="a test").first).to_contain_text(
                tab.words("role.viewer")
            )


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_deleted_account_is_said_to_be_one_and_offered_nothing(
    open_tab: OpenTab, native: System, language: Language
) -> None:
    admin, name = somebody(native, "admin"), new_name("leaver")
    with native.register(name, 0) as client:
        user_id = client.get("/users/me").json()["id"]
        assert client.request("DELETE", "/users/me", json={"password": PASSWORD}).status_code == 204
    with open_tab(language=language) as tab:
        tab.sign_in(admin, PASSWORD).open(f"/app/operate/users/{user_id}")
        expect(tab.page.locator(".tag", has_text=tab.words("operate.is_deleted"))).to_be_visible()
        for button in ("operate.give_credits", "operate.role", "operate.block"):
            expect(tab.button(button)).to_have_count(0)
        assert tab.accessibility_faults() == []


def test_each_search_form_has_a_name_and_finds(open_tab: OpenTab, native: System) -> None:
    admin, client = somebody(native, "admin"), somebody(native, "client")
    unknown = "0196ffff-0000-7000-8000-000000000000"
    with open_tab() as tab:
        tab.sign_in(admin, PASSWORD)
        for path, key, text, found in (
            ("history", "history.search", unknown, "error.not_found"),
            ("operate/predictions", "history.search", unknown, "error.not_found"),
            ("operate/predictions", "history.search", "nonsense", "history.not_an_id"),
            ("operate/users", "operate.find_user", client, None),
            ("operate/overview", "operate.search_all", client, "found.user"),
        ):
            tab.open(f"/app/{path}")
            assert tab.page.locator("[role=search]:not([aria-label])").count() == 0
            form = tab.page.get_by_role("search", name=tab.words(key), exact=True)
            form.get_by_role("searchbox", name=tab.words(key), exact=True).fill(text)
            form.get_by_role("button", name=tab.words("action.find"), exact=True).click()
            said = tab.words(found) if found else text
            expect(tab.page.get_by_role("main").get_by_text(said, exact=True).first).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_overview_goes_back_a_day_and_thirty(open_tab: OpenTab, native: System, language: Language) -> None:
    admin = somebody(native, "admin")
    with open_tab(language=language, width=PHONE) as tab:
        tab.sign_in(admin, PASSWORD).open("/app/operate/overview")
        for name, length in (("hour", "minute"), ("day", "hour"), ("days", "day")):
            tab.page.get_by_role("radio", name=tab.words(f"operate.range.{name}"), exact=True).check()
            for chart in ("flow", "latency", "paid"):
                expect(tab.page.get_by_role("img", name=tab.words(f"operate.{chart}.{length}"))).to_be_visible()
        tab.page.get_by_label(tab.words("history.model"), exact=True).select_option("echo")
        tab.page.locator("summary", has_text=tab.words("operate.as_table")).click()
        expect(tab.page.get_by_role("columnheader", name=tab.words("operate.step.day"), exact=True)).to_be_visible()
        assert tab.overflow() == ""
        assert tab.accessibility_faults() == []


def figures_of(*, accepted: int, ms: float | None) -> Callable[[Route], None]:
    """Put the same in each step of the series: the system's own figures are of whatever other tests asked."""

    def answer(route: Route) -> None:
        figures = route.fetch().json()
        for step in figures["series"]:
            step.update(dict.fromkeys(step.keys() - {"at"}, accepted), p50_ms=ms, p95_ms=ms, p99_ms=ms)
        route.fulfill(json=figures)

    return answer


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_chart_has_room_for_its_largest_figures(open_tab: OpenTab, native: System, language: Language) -> None:
    with open_tab(language=language, width=PHONE) as tab:
        tab.page.route("**/admin/stats*", figures_of(accepted=1_000_000_000, ms=36_000_000.0))
        tab.sign_in(somebody(native, "admin"), PASSWORD).open("/app/operate/overview")
        for chart in ("flow", "latency", "paid"):
            drawn = tab.page.get_by_role("img", name=tab.words(f"operate.{chart}.minute")).locator(".u-over")
            expect(drawn).to_be_visible()
            room, needed = drawn.evaluate(ROOM_FOR_LABELS, "10 h 59 min" if chart == "latency" else "1,000,000,000")
            assert room > needed
        assert tab.overflow() == ""
        tab.page.unroute_all(behavior="ignoreErrors")  # it asks every five seconds, perhaps while the tab is closed


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_chart_without_anything_says_so(open_tab: OpenTab, native: System, language: Language) -> None:
    admin = somebody(native, "admin")
    with open_tab(language=language, width=PHONE) as tab:
        tab.page.route("**/admin/stats*", figures_of(accepted=0, ms=None))
        tab.sign_in(admin, PASSWORD).open("/app/operate/overview")
        said = tab.page.get_by_text(tab.words("operate.no_curve"), exact=True)
        expect(said).to_have_count(3)
        tab.page.unroute_all(behavior="ignoreErrors")
        with native.client(admin, PASSWORD) as person:
            asked = {"model": "echo", "input": {"text": "one"}}
            assert person.post("/predictions/predict", json=asked, headers={"Prefer": "wait=20"}).status_code == 200
        expect(said).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_overview_says_whose_the_queue_is(open_tab: OpenTab, native: System, language: Language) -> None:
    admin, client = somebody(native, "admin"), new_name("client")
    with native.register(client, 0) as person, open_tab(language=language, width=PHONE) as tab:
        asked = {"model": "troublesome", "input": {"text": "!hang"}}
        hanging = person.post("/predictions/predict", json=asked).json()
        tab.sign_in(admin, PASSWORD).open("/app/operate/overview")
        users = tab.page.get_by_role("table", name=tab.words("operate.queue_by_user"))
        expect(users.get_by_role("link", name=client)).to_be_visible()
        assert tab.overflow() == ""
        assert tab.accessibility_faults() == []
        users.get_by_role("link", name=client).click()
        expect(tab.page.get_by_role("heading", name=client)).to_be_visible()
        assert person.post(f"/predictions/{hanging['id']}/cancel").status_code == 200


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_failing_webhook_is_found_and_its_messages_are_sent_again(
    open_tab: OpenTab, native: System, language: Language
) -> None:
    client = new_name("client")
    url = f"https://{client}.example.invalid/hook"
    with native.register(client, 0) as person:
        made = person.post("/webhooks", json={"url": url, "events": ["balance.low"]}).json()
        assert person.post(f"/webhooks/{made['id']}/test").status_code == 202
    for role in ("viewer", "admin"):
        with open_tab(language=language, width=PHONE) as tab:
            tab.sign_in(somebody(native, role), PASSWORD).open("/app/operate/webhooks")
            tab.page.get_by_role("radio", name=tab.words("operate.webhooks_shown.all"), exact=True).check()
            row = tab.page.get_by_role("row").filter(has_text=url)
            expect(row).to_be_visible(timeout=PATIENCE_MS)
            expect(row.get_by_role("button", name=tab.words("webhooks.switch"))).to_have_count(int(role == "admin"))
            row.get_by_role("button", name=tab.words("webhooks.log")).click()
            dialog = tab.page.get_by_role("dialog")
            dialog.locator("summary").first.click()
            again = dialog.get_by_role("button", name=tab.words("webhooks.resend"))
            expect(again).to_have_count(int(role != "viewer"))
            assert tab.accessibility_faults() == []
            if role == "viewer":
                continue
            again.click()
            expect(again).not_to_have_attribute("aria-disabled", "true")
            dialog.get_by_role("button", name=tab.words("action.close")).last.click()
            row.get_by_role("button", name=tab.words("webhooks.switch")).click()
            dialog.get_by_label(tab.words("operate.reason"), exact=True).fill("a test")
            dialog.get_by_role("button", name=tab.words("webhooks.switch")).click()
            expect(row).to_contain_text(tab.words("operate.webhook_off.admin"))
            tab.open("/app/operate/actions")
            for action in ("webhook.resend", "webhook.disable"):
                row = tab.page.get_by_role("row").filter(has_text=tab.words(f"action_log.{action}"))
                expect(row.first).to_be_visible()


_NOTE_ANNOUNCED = """
    new MutationObserver(() => {
        if (document.querySelector(".banner--success[role=status]")) window.wasAnnounced = true;
    }).observe(document, { childList: true, subtree: true, attributes: true });
"""


def test_figures_that_go_on_changing_are_announced_once(open_tab: OpenTab, native: System) -> None:
    with open_tab() as tab:
        tab.sign_in(somebody(native, "admin"), PASSWORD)
        tab.page.add_init_script(_NOTE_ANNOUNCED)  # it may be over before the charts have come
        tab.open("/app/operate/overview")
        well = tab.page.locator(".banner--success")
        expect(well).to_be_visible()
        expect(well).not_to_have_attribute("role", "status")
        assert tab.page.evaluate("window.wasAnnounced") is True


def test_figures_say_when_they_are_old(open_tab: OpenTab, native: System) -> None:
    admin = somebody(native, "admin")
    with open_tab() as tab:
        tab.sign_in(admin, PASSWORD).open("/app/operate/overview")
        well = tab.page.locator(".banner--success")
        expect(well).to_be_visible()
        tab.page.route("**/admin/**", lambda route: route.abort("connectionrefused"))
        old = tab.page.locator(".is-old")
        expect(old).to_contain_text("these figures are old", timeout=PATIENCE_MS)
        expect(well).to_have_count(0)
        assert tab.accessibility_faults() == []
        tab.page.unroute("**/admin/**")
        expect(well).to_be_visible(timeout=PATIENCE_MS)


def test_a_visitor_learns_for_whom_operate_is(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.open("/app/operate")
        expect(tab.page.get_by_text(tab.words("state.admin_page"))).to_be_visible()


def test_who_is_blocked_is_told_so(open_tab: OpenTab, native: System) -> None:
    client = somebody(native, "client")
    with open_tab() as tab:
        tab.sign_in(client, PASSWORD).open("/app/credits")
        expect_balance(tab, 100)
        native.run("--cli", "admin", "block", client, "--reason", "a test")
        tab.page.reload()
        tab.shown()
        tab.button("auth.sign_in").click()
        dialog = tab.page.get_by_role("dialog")
        dialog.get_by_label(tab.words("auth.name"), exact=True).fill(client)
        dialog.get_by_label(tab.words("auth.password"), exact=True).fill(PASSWORD)
        tab.page.keyboard.press("Enter")
        expect(dialog.get_by_text(tab.words("error.blocked"))).to_be_visible()


def test_an_unknown_address_is_answered_by_the_page(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        answer = tab.page.goto(tab.url + "/nowhere")
        assert answer is not None
        assert answer.status == 404
        expect(tab.page.get_by_text(tab.words("state.not_found"), exact=True)).to_be_visible()


def test_what_a_user_has_fits_a_tablet_and_an_answer_that_failed_costs_nothing(
    open_tab: OpenTab, native: System
) -> None:
    admin, name = somebody(native, "admin"), new_name("tablet")
    with native.register(name, 10) as client:
        for text in ("!raise", "good"):
            asked = {"model": "troublesome", "input": {"text": text}}
            client.post("/predictions/predict", json=asked, headers={"Prefer": "wait=20"})
        user_id = client.get("/users/me").json()["id"]
    with open_tab(language="ru", width=TABLET, theme="dark") as tab:
        tab.sign_in(admin, PASSWORD).open(f"/app/operate/users/{user_id}")
        expect(
            tab.page.get_by_role("row").filter(has_text=tab.words("status.failed")).get_by_role("cell").last
        ).to_have_text("0")
        expect(
            tab.page.get_by_role("row").filter(has_text=tab.words("status.succeeded")).get_by_role("cell").last
        ).to_have_text("1")
        assert tab.overflow() == ""
        assert tab.page.locator(".stats__value").evaluate_all(
            "(all) => all.every((one) => one.scrollWidth <= one.clientWidth)"
        )
        tab.open("/app/operate/actions")
        row = tab.page.get_by_role("row").filter(has_text=admin).first
        expect(row).to_contain_text(f"{tab.words('role.none')} → {tab.words('role.admin')}")
