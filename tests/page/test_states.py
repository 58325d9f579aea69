"""What goes wrong, forced for real: each has its words, keeps what was typed, and costs nothing twice."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from playwright.sync_api import Route, expect

from engine.native.processes import freeze_all
from tests.page.conftest import OpenTab
from tests.support.browser import PATIENCE_MS, Language
from tests.support.page_people import (
    PASSWORD,
    answer,
    ask,
    choose_model,
    expect_answered,
    expect_balance,
    fill_in,
    new_name,
    question,
)
from tests.support.system import System

LONG_MS = 60_000
SERIAL = "@"


def phrase(tab_words: str) -> re.Pattern[str]:
    """The words with any number where @ stands."""
    return re.compile(re.escape(tab_words).replace(SERIAL, r".+?"))


@contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """Stop a process for a while."""
    assert pid is not None
    freeze_all([pid])
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def person(native: System) -> str:
    name = new_name("state")
    native.register(name).close()
    return name


def asked(native: System, name: str) -> list[dict[str, object]]:
    with native.client(name, PASSWORD) as client:
        found: list[dict[str, object]] = client.get("/predictions").json()["items"]
        return found


@pytest.mark.parametrize("language", ["en", "ru"])
def test_offline_keeps_what_was_typed_and_asks_once(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        tab.page.context.set_offline(True)
        ask(tab, "typed on a train")
        expect(tab.page.get_by_text(tab.words("state.offline")).first).to_be_visible(timeout=PATIENCE_MS)
        expect(question(tab)).to_have_value("typed on a train")
        tab.page.context.set_offline(False)
        expect_answered(tab)
        expect_balance(tab, 99)
        assert len(asked(native, person)) == 1


@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_ended_session_asks_for_the_password_and_goes_on(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        expect_balance(tab, 100)
        assert tab.page.evaluate("fetch('/session', {method: 'DELETE'}).then((answer) => answer.status)") == 204
        ask(tab, "typed before it ended")
        dialog = tab.page.get_by_role("dialog")
        expect(dialog).to_contain_text(tab.words("auth.again"), timeout=PATIENCE_MS)
        assert tab.accessibility_faults() == []
        dialog.get_by_label(tab.words("auth.password"), exact=True).fill(PASSWORD)
        tab.page.keyboard.press("Enter")
        expect_answered(tab)
        expect(question(tab)).to_have_value("typed before it ended")
        assert len(asked(native, person)) == 1


@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_empty_account_is_told_cost_and_balance(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    native.run("--cli", "admin", "adjust", person, "-100", "--reason", "a test")
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        expect_balance(tab, 0)
        ask(tab, "too poor for this")
        said = tab.words("error.insufficient_credits", cost=1, balance=0)
        expect(answer(tab)).to_contain_text(said, timeout=PATIENCE_MS)
        expect(question(tab)).to_have_value("too poor for this")
        assert tab.accessibility_faults() == []


def test_a_view_that_could_not_be_loaded_comes_by_itself_once_the_service_answers(
    open_tab: OpenTab, person: str
) -> None:
    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        question(tab).fill("typed before the service went away")
        tab.page.context.route("**/*", lambda route: route.abort())
        tab.page.get_by_role("link", name=tab.words("nav.history"), exact=True).first.click()
        expect(tab.page.get_by_text(tab.words("error.unreachable"), exact=True)).to_be_visible()
        tab.page.context.unroute("**/*")
        expect(tab.page.get_by_role("heading", name=tab.words("nav.history"))).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("file", ["i18n/ru/refusals.js", "shell.js", "styles/base.css", "early.js"])
def test_a_page_whose_file_did_not_come_begins_again(open_tab: OpenTab, person: str, file: str) -> None:
    with open_tab(language="ru") as tab:
        tab.sign_in(person, PASSWORD)
        tab.page.context.route(f"**/web/{file}", lambda route: route.abort(), times=2)
        tab.open("/app/predict")
        expect_balance(tab, 100)
        expect(question(tab)).to_have_css("box-sizing", "border-box")  # by base.css


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_page_whose_file_never_comes_says_so(open_tab: OpenTab, language: Language) -> None:
    said = {"en": "This page could not be loaded.", "ru": "Страница не загрузилась."}[language]
    with open_tab(language=language) as tab:
        tab.page.context.route(f"**/web/i18n/{language}/common.js", lambda route: route.abort())
        tab.page.goto(tab.url)
        expect(tab.page.get_by_text(said)).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_does_not_fit_is_said_at_the_field(open_tab: OpenTab, person: str, language: Language) -> None:
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        question(tab).fill("  \n ")
        question(tab).press("Control+Enter")
        expect(question(tab)).to_have_attribute("aria-invalid", "true")
        expect(tab.page.get_by_text(tab.words("fault.text"))).to_be_visible()
        assert tab.accessibility_faults() == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_failed_answer_says_why_and_gives_the_credit_back(open_tab: OpenTab, person: str, language: Language) -> None:
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        choose_model(tab, "troublesome")
        ask(tab, "!reject")
        expect(answer(tab)).to_contain_text(tab.words("predict.failed", n=1), timeout=PATIENCE_MS)
        expect(answer(tab)).to_contain_text("This text is not for me.")
        expect_balance(tab, 100)
        assert tab.accessibility_faults() == []


def test_wrong_passwords_are_slowed_down_with_a_countdown(open_tab: OpenTab, person: str) -> None:
    with open_tab() as tab:
        tab.open("/")
        tab.button("auth.sign_in").click()
        wait = phrase(tab.words("auth.wait", n=SERIAL))
        for _ in range(6):
            fill_in(tab, person, "not the password")
            tab.page.keyboard.press("Enter")
            expect(tab.page.get_by_role("dialog").get_by_role("button", name=tab.words("auth.sign_in"))).to_be_enabled()
        expect(tab.page.get_by_role("dialog")).to_contain_text(wait, timeout=PATIENCE_MS)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_frozen_database_is_waited_for_and_nothing_is_paid_twice(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open("/app/predict")
        expect_balance(tab, 100)
        busy = phrase(tab.words("state.busy", n=SERIAL))
        with frozen_database(native):
            ask(tab, "while it is away")
            expect(tab.page.get_by_text(busy).first).to_be_visible(timeout=LONG_MS)
            expect(question(tab)).to_have_value("while it is away")
        expect(answer(tab)).to_contain_text(phrase(tab.words("predict.done", time=SERIAL)), timeout=LONG_MS)
        expect_balance(tab, 99)
        assert len(asked(native, person)) == 1


@contextmanager
def frozen_database(native: System) -> Iterator[None]:
    """Freeze every process of PostgreSQL: the sessions' too."""
    server = psutil.Process(native.pids()["postgres"])
    every = [server, *server.children(recursive=True)]
    for one in every:
        one.suspend()
    try:
        yield
    finally:
        for one in reversed(every):
            one.resume()


def test_without_a_worker_a_request_waits_and_can_be_canceled(open_tab: OpenTab, native: System, person: str) -> None:
    with open_tab() as tab, frozen(native.pids()["worker-1"]):
        native.until_listed("sentiment", is_live=False)
        tab.sign_in(person, PASSWORD).open("/app/predict")
        expect(tab.page.get_by_text(tab.words("model.not_live_text"))).to_be_visible()
        ask(tab, "for later")
        expect(answer(tab)).to_contain_text(tab.words("model.not_live_waits"), timeout=PATIENCE_MS)
        place = tab.words("place.only", n=1)
        expect(answer(tab)).to_contain_text(place)
        id_ = tab.page.url.rpartition("/")[2]
        tab.open(f"/app/history?open={id_}")
        expect(tab.page.locator(".vlist__panel")).to_contain_text(place)
        tab.page.goto(f"{tab.url}/app/predict/{id_}")  # skeletons stay while it waits
        answer(tab).get_by_role("button", name=tab.words("predict.cancel")).click()
        expect(answer(tab)).to_contain_text(tab.words("predict.canceled", n=1), timeout=PATIENCE_MS)
        expect_balance(tab, 100)
        assert tab.accessibility_faults() == []
    native.until_all_ready()
    native.until_listed("sentiment", is_live=True)


def test_the_page_begins_again_where_a_module_could_not_be_loaded(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        failures = iter(range(2))

        def lose_twice(route: Route) -> None:
            if next(failures, None) is None:
                route.continue_()
            else:
                route.abort("connectionreset")

        tab.page.route("**/web/router.js", lose_twice)
        tab.open("/")
        expect(tab.page.get_by_text(tab.words("welcome.title"))).to_be_visible()


def test_events_come_though_the_module_that_reads_them_was_lost(open_tab: OpenTab, native: System, person: str) -> None:
    with open_tab() as tab:
        tab.page.route("**/web/stream.js", lambda route: route.abort("connectionreset"))
        tab.sign_in(person, PASSWORD).open("/app/predict")
        expect_balance(tab, 100)
        with native.client(person, PASSWORD) as client:
            asked_elsewhere = {"model": "echo", "input": {"text": "asked elsewhere"}}
            assert client.post("/predictions/predict", json=asked_elsewhere).status_code == 202
        expect_balance(tab, 99)
