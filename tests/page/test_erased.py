"""What is shown of a prediction whose texts are no longer kept, and of one that cannot be loaded."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from playwright.sync_api import Request, Route, expect

from engine.native.plan import DATABASE
from engine.native.postgres import PostgresNode
from tests.page.conftest import HOSTILE_DESCRIPTION, OpenTab
from tests.page.test_words import english
from tests.support.browser import Language, Tab
from tests.support.page_people import PASSWORD, answer, expect_balance, new_name
from tests.support.system import System

ERASED = {"en": "The text is no longer kept", "ru": "Текст больше не хранится"}
ASKED = ({"model": "echo", "input": {"text": "a secret"}}, {"model": "troublesome", "input": {"text": "!reject"}})


@pytest.fixture
def person() -> str:
    return new_name("erased")


def asked(native: System, name: str) -> list[str]:
    """The ids of an answer and of a failure, of a new person's."""
    with native.register(name) as client:
        answers = [client.post("/predictions/predict", json=one, headers={"Prefer": "wait=20"}) for one in ASKED]
    assert [one.json()["status"] for one in answers] == ["succeeded", "failed"]
    return [one.json()["id"] for one in answers]


def erase(native: System, ids: list[str]) -> None:
    """Do to these predictions what TEXT_RETENTION_DAYS does after a day at the earliest."""
    dsn = PostgresNode(native.root / "var" / "postgres").dsn(DATABASE)

    async def execute() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(
            "UPDATE predictions SET input = 'null', output = CASE WHEN output IS NOT NULL THEN 'null'::json END,"
            " error_message = CASE WHEN error_code IS NOT NULL THEN 'The text is no longer kept.' END"
            " WHERE id = ANY ($1::uuid[])",
            ids,
        )
        await connection.close()

    with ThreadPoolExecutor() as aside:  # the browser's loop runs in this thread
        aside.submit(asyncio.run, execute()).result()


def check(tab: Tab) -> None:
    said = tab.page.locator("main").inner_text()
    assert "null" not in said
    assert "undefined" not in said
    assert tab.accessibility_faults() == []
    if tab.page.evaluate("document.documentElement.lang") == "ru":
        assert [text for text in english(tab) if HOSTILE_DESCRIPTION not in text] == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_erased_prediction_is_said_to_be_one_and_is_not_asked_again(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    ids = asked(native, person)
    erase(native, ids)
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD)
        for id_, times, model in zip(
            ids, (2, 1), ASKED, strict=True
        ):  # why it failed is said in the place of the answer
            tab.open(f"/app/history?open={id_}")
            panel = tab.page.locator(".panel")
            expect(panel.get_by_text(ERASED[language], exact=True)).to_have_count(times)
            expect(tab.page.locator(".prow__input").get_by_text(ERASED[language], exact=True)).to_have_count(2)
            expect(panel.get_by_role("button", name=tab.words("history.repeat_plain"))).to_have_count(0)
            check(tab)
            panel.get_by_role("link", name=tab.words("history.open")).click()
            tab.page.mouse.move(0, 0)  # a row of the last answers would be under it
            expect(answer(tab).locator(".answer__output")).to_have_text(ERASED[language])
            expect(answer(tab).get_by_role("button", name=tab.words("predict.share"))).to_be_visible()
            expect(tab.button("predict.again")).to_have_count(0)
            expect(tab.page.locator(".recent__text").get_by_text(ERASED[language], exact=True)).to_have_count(2)
            check(tab)
            expect(tab.page.get_by_role("region", name=tab.words("code.title"))).to_contain_text(model["model"])


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_text_that_was_erased_while_it_was_shown_is_not_asked_again(
    open_tab: OpenTab, native: System, person: str, language: Language
) -> None:
    ids = asked(native, person)
    with open_tab(language=language) as tab:
        tab.sign_in(person, PASSWORD).open(f"/app/history?open={ids[0]}")
        panel = tab.page.locator(".panel")
        expect(panel.get_by_text("a secret").first).to_be_visible()
        erase(native, ids)
        panel.get_by_role("button", name=tab.words("history.repeat", cost=1)).click()
        expect(panel.get_by_text(ERASED[language], exact=True)).to_have_count(2)
        expect(panel.get_by_role("button", name=tab.words("history.repeat", cost=1))).to_have_count(0)
        check(tab)


def test_a_text_that_was_erased_while_predict_showed_it_is_not_asked_again(
    open_tab: OpenTab, native: System, person: str
) -> None:
    (id_, _) = asked(native, person)
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.url)

    def refuse(route: Route) -> None:
        problem = {"type": "about:blank", "title": "", "status": 500, "code": "internal_error"}
        route.fulfill(status=500, json=problem, content_type="application/problem+json")

    with open_tab() as tab:
        tab.sign_in(person, PASSWORD).open(f"/app/predict/{id_}")
        expect(answer(tab)).to_contain_text("a secret")
        tab.page.on("request", note)
        tab.page.route("**/repeat", refuse)
        tab.button("predict.again").click()
        retry = answer(tab).get_by_role("button", name=tab.words("action.retry"))
        expect(retry).to_be_visible()
        tab.page.unroute_all(behavior="wait")
        erase(native, [id_])
        retry.click()  # it repeats what was to be repeated, and asks nothing of its own
        expect(answer(tab).locator(".answer__output")).to_have_text(ERASED["en"])
        expect(tab.button("predict.again")).to_have_count(0)
        expect_balance(tab, 99)
        assert [url for url in sent if "/predictions" in url] == [f"{native.url}/predictions/{id_}/repeat"] * 2
        check(tab)


@pytest.mark.parametrize("status", [422, 500])
def test_a_link_that_could_not_be_loaded_is_loaded_again_and_asks_nothing(
    open_tab: OpenTab, native: System, person: str, status: int
) -> None:
    (id_, _) = asked(native, person)
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.url)

    def refuse(route: Route) -> None:
        errors = [{"location": "path.prediction_id", "message": "no id"}] if status == 422 else []
        problem = {"type": "about:blank", "title": "", "status": status, "code": "invalid_input", "errors": errors}
        route.fulfill(status=status, json=problem, content_type="application/problem+json")

    with open_tab() as tab:
        tab.sign_in(person, PASSWORD)
        tab.page.route(f"**/predictions/{id_}", refuse)
        tab.page.on("request", note)
        tab.open(f"/app/predict/{id_}")
        retry = answer(tab).get_by_role("button", name=tab.words("action.retry"))
        retry.click()
        expect(retry).to_be_visible()
        tab.page.unroute_all(behavior="wait")
        retry.click()
        expect(answer(tab)).to_contain_text("a secret")
        expect_balance(tab, 99)
        assert [url for url in sent if "/predictions" in url] == []
