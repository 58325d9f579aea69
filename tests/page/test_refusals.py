"""What the service itself refuses, forced for real: each refusal says what happened and leaves what was typed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus

import asyncpg
import httpx2
import pytest
from playwright.sync_api import Browser, expect

from engine.native.plan import DATABASE
from engine.native.postgres import PostgresNode
from engine.native.processes import wait_until
from tests.page.conftest import OpenTab
from tests.support.browser import DESKTOP, PATIENCE_MS, PHONE, Language, tab
from tests.support.nginx import NGINX, a_door
from tests.support.nodes import skip_or_fail
from tests.support.page_people import (
    PASSWORD,
    answer,
    ask,
    choose_model,
    expect_answered,
    expect_balance,
    new_name,
    question,
)
from tests.support.system import System


@pytest.fixture
def person(native: System) -> str:
    name = new_name("refused")
    native.register(name).close()
    return name


@contextmanager
def damaged(native: System, damage: str, repair: str) -> Iterator[None]:
    """Something is wrong in the database for a while."""
    dsn = PostgresNode(native.root / "var" / "postgres").dsn(DATABASE)

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(statement)
        await connection.close()

    with ThreadPoolExecutor() as aside:  # the browser's loop runs in this thread
        aside.submit(asyncio.run, execute(damage)).result()
        try:
            yield
        finally:
            aside.submit(asyncio.run, execute(repair)).result()


@contextmanager
def switched_off(native: System, model: str) -> Iterator[None]:
    """An admin stops offering a model for a while."""
    name = new_name("admin")
    native.register(name).close()
    native.run("--cli", "admin", "create", name, "--existing")
    with native.client(name, PASSWORD) as admin:

        def offer(*, is_enabled: bool) -> None:
            change = {"is_enabled": is_enabled, "reason": "a test of the page"}
            assert admin.patch(f"/admin/models/{model}", json=change).status_code == 200
            native.until_listed(model, is_live=is_enabled)

        try:
            offer(is_enabled=False)
            yield
        finally:
            offer(is_enabled=True)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_fault_of_ours_gives_an_id_to_quote(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    damage = "REVOKE SELECT ON transactions FROM ml_service_app", "GRANT SELECT ON transactions TO ml_service_app"
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD)
        with damaged(native, *damage):
            with tab.page.expect_response(lambda one: "/transactions" in one.url and one.status == 500) as refusal:
                tab.open("/app/credits")
            alert = tab.page.get_by_role("alert").filter(has_text=tab.words("error.internal_error")).first
            expect(alert).to_contain_text(refusal.value.headers["x-request-id"])
            expect(alert.get_by_role("button", name=tab.words("action.copy"))).to_be_visible()
            assert tab.accessibility_faults() == []
        alert.get_by_role("button", name=tab.words("action.retry")).click()
        expect(tab.page.get_by_text(tab.words("kind.grant")).first).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_model_that_went_away_is_told_and_the_text_stays(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        choose_model(tab, "echo")
        question(tab).fill("typed before it went away")
        with switched_off(native, "echo"):
            question(tab).press("Control+Enter")
            expect(answer(tab)).to_contain_text(tab.words("error.model_disabled"), timeout=PATIENCE_MS)
            expect(question(tab)).to_have_value("typed before it went away")
            assert tab.accessibility_faults() == []
            choose_model(tab, "sentiment")
            expect(question(tab)).to_have_value("typed before it went away")
            question(tab).press("Control+Enter")
            expect_answered(tab)
        expect_balance(tab, 99)


@contextmanager
def spent(url: str) -> Iterator[None]:
    """Somebody at the same address uses up what nginx lets through, and goes on with it."""
    end = threading.Event()

    def spend() -> None:
        with httpx2.Client(base_url=url) as client:
            while not end.is_set():
                client.get("/health/live")

    with ThreadPoolExecutor() as aside:
        spending = aside.submit(spend)
        try:
            assert wait_until(
                lambda: httpx2.get(f"{url}/health/live").status_code == HTTPStatus.TOO_MANY_REQUESTS, 60, 0.1
            )
            yield
        finally:
            end.set()
            spending.result()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_who_asks_too_fast_waits_and_goes_on_by_itself(
    chrome: Browser, native: System, person: str, language: Language
) -> None:
    if NGINX is None:
        skip_or_fail("nginx is not installed here: apt-get install nginx-light")
    with a_door(native.port, "127.0.0.1", NGINX_REQUESTS_PER_S="5", NGINX_REQUESTS_BURST="400") as door:
        url = f"http://127.0.0.1:{door.port}"
        with tab(chrome, url, language=language) as client:
            client.sign_in(person, PASSWORD).open("/app/predict")
            choose_model(client, "echo")
            expect_balance(client, 100)
            pace = client.words("state.pace", n="@").replace("@", ".+")
            with client.page.expect_response("**/playground/answered.js"):
                question(client).fill("in a hurry")
            with spent(url):
                question(client).press("Control+Enter")
                expect(answer(client)).to_contain_text(re.compile(pace), timeout=PATIENCE_MS)
                assert client.accessibility_faults() == []
            expect_answered(client)
            expect(question(client)).to_have_value("in a hurry")
            expect_balance(client, 99)


@pytest.mark.parametrize(("language", "width"), [("en", DESKTOP), ("ru", PHONE)])
def test_what_only_the_service_refuses_is_said_at_its_field(
    open_tab: OpenTab, person: str, language: Language, width: int
) -> None:
    with open_tab(language=language, width=width) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        choose_model(tab, "troublesome")
        ask(tab, "#hidden")
        expect(question(tab)).to_have_attribute("aria-invalid", "true")
        said = tab.words("fault.refused", message='"#hidden" does not match "^[^#]"')
        assert question(tab).get_attribute("aria-describedby") == tab.page.get_by_text(said).get_attribute("id")
        expect(question(tab)).to_be_focused()
        expect(question(tab)).to_be_in_viewport()
        expect(tab.page.get_by_text(said)).to_be_in_viewport()
        expect(question(tab)).to_have_value("#hidden")
        expect_balance(tab, 100)
        assert tab.accessibility_faults() == []
        ask(tab, "shown")
        expect_answered(tab)


def test_a_new_price_is_seen_in_an_open_page(open_tab: OpenTab, native: System, person: str) -> None:
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        choose_model(tab, "echo")
        expect(tab.button("predict.button", n=1)).to_be_visible()
        try:
            native.run("--cli", "admin", "price", "echo", "3")
            native.until_listed("echo", price_credits=3)
            expect(tab.button("predict.button", n=3)).to_be_visible(timeout=PATIENCE_MS)
            ask(tab, "at the new price")
            expect_answered(tab)
            expect_balance(tab, 97)
        finally:
            native.run("--cli", "admin", "price", "echo", "1")
            native.until_listed("echo", price_credits=1)


def test_a_job_is_not_started_at_another_price_than_the_one_that_was_shown(
    open_tab: OpenTab, native: System, person: str
) -> None:
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/bulk")
        tab.page.get_by_label(tab.words("bulk.model")).select_option("echo")
        tab.page.get_by_label(tab.words("bulk.paste")).fill("one\ntwo")
        listed = tab.page.request.get(f"{tab.url}/models").body()
        tab.page.route("**/models", lambda route: route.fulfill(body=listed, content_type="application/json"))
        try:
            native.run("--cli", "admin", "price", "echo", "3")
            native.until_listed("echo", price_credits=3)
            tab.button("bulk.start").click()
            job = tab.page.get_by_role("region", name=tab.words("bulk.job"))
            expect(job).to_contain_text(tab.words("bulk.stopped_price", cost=6))
            expect(job).to_contain_text(tab.words("bulk.phase.not_started"))
            expect_balance(tab, 100)
            tab.page.unroute("**/models")
            tab.button("bulk.another").click()
            tab.page.get_by_role("dialog").get_by_role("button", name=tab.words("bulk.discard_action")).click()
            tab.page.evaluate("dispatchEvent(new Event('focus'))")
            expect(tab.page.get_by_label(tab.words("bulk.model"))).to_contain_text(
                f"echo · {tab.words('unit.credits', n=3)}"
            )
        finally:
            native.run("--cli", "admin", "price", "echo", "1")
            native.until_listed("echo", price_credits=1)
