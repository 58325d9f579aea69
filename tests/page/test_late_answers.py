"""What arrives after the person has looked elsewhere, or while the list is scrolled."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from tests.page.conftest import OpenTab
from tests.support.browser import PATIENCE_MS, PHONE
from tests.support.page_people import PASSWORD, answer, ask, choose_model, new_name
from tests.support.system import System

ROWS = 30


def test_a_row_that_waits_behind_the_button_is_shown_in_its_last_state(open_tab: OpenTab, native: System) -> None:
    name = new_name()
    with native.register(name) as client, open_tab(width=PHONE) as tab:
        items = [{"model": "echo", "input": {"text": f"row {number}"}} for number in range(ROWS)]
        assert client.post("/predictions/batch", json={"items": items}).status_code == 202
        tab.sign_in(name, PASSWORD).open("/app/history")
        tab.page.evaluate("scrollTo(0, 600)")
        asked = {"model": "troublesome", "input": {"text": "!hang"}}
        id_ = client.post("/predictions/predict", json=asked).json()["id"]
        news = tab.page.get_by_role("button", name=tab.words("history.news", n=1))
        expect(news).to_be_visible(timeout=PATIENCE_MS)
        with tab.page.expect_response(lambda got: got.url.endswith("/cancel")):
            tab.page.evaluate(
                "async (id) => (await import('/web/api.js')).api.post(`/predictions/${id}/cancel`)"
                ".then(async (one) => (await import('/web/live.js')).seen(one))",
                id_,
            )
        tab.page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        news.click()
        row = tab.page.locator(".vlist__row").filter(has_text="!hang")
        expect(row).to_contain_text(tab.words("status.canceled"))


def test_a_cancel_that_is_answered_late_leaves_what_is_shown_by_then(open_tab: OpenTab, native: System) -> None:
    name = new_name()
    with native.register(name) as client, open_tab() as tab:
        asked = {"model": "echo", "input": {"text": "the other one"}}
        other = client.post("/predictions/predict", json=asked, headers={"Prefer": "wait=20"}).json()["id"]
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        tab.sign_in(name, PASSWORD).open("/app/predict")
        tab.page.route("**/predictions/*/cancel", hold)
        choose_model(tab, "troublesome")
        ask(tab, "!hang")
        with tab.page.expect_request("**/predictions/*/cancel"):
            answer(tab).get_by_role("button", name=tab.words("predict.cancel")).click()
        tab.page.get_by_role("region", name=tab.words("recent.title")).get_by_role("link", name="the other one").click()
        expect(answer(tab)).to_contain_text("the other one")
        with tab.page.expect_response("**/predictions/*/cancel") as response:
            held[0].continue_()
        response.value.finished()
        tab.page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        expect(answer(tab)).to_contain_text("the other one")
        assert tab.page.url.endswith(f"/app/predict/{other}")
