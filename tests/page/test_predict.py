"""What people came for: a visitor's first answer, a client's questions, a developer's call."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.page.conftest import HOSTILE_DESCRIPTION, OpenTab
from tests.page.test_accounts import PEOPLE
from tests.support.browser import PATIENCE_MS, Language, Theme, tab
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

WORDS = {"en": ("Wonderful, thank you!", "Positive"), "ru": ("Отлично, спасибо большое!", "Положительный")}
HOSTILE = "</textarea><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}${7*7}"


@pytest.mark.parametrize(("language", "width", "theme"), PEOPLE)
def test_a_visitor_has_an_answer_after_one_click(
    open_tab: OpenTab, language: Language, width: int, theme: Theme
) -> None:
    with open_tab(language=language, width=width, theme=theme) as tab:
        tab.open("/")
        question(tab).fill(WORDS[language][0])
        tab.button("auth.try").click()
        expect_answered(tab)
        expect(answer(tab)).to_contain_text(WORDS[language][1])
        assert tab.overflow() == ""
        assert tab.accessibility_faults() == []


SETTLE_MS = 250
"""Until the effects of a view have run."""
SLOW_EFFECTS = """
const [frame, timeout] = [window.requestAnimationFrame, window.setTimeout];
window.requestAnimationFrame = (work) => frame((now) => timeout(work, 2000, now));
window.setTimeout = (work, ms, ...more) => timeout(work, [35, 100].includes(ms) ? 2000 : ms, ...more);
"""
"""Preact runs effects after the next frame, or after so many milliseconds."""


def test_a_view_that_is_loaded_between_its_drawing_and_the_effect_is_shown(open_tab: OpenTab) -> None:
    def after_signing_in(route: Route) -> None:
        time.sleep(1)
        route.continue_()

    with open_tab() as tab:
        tab.page.add_init_script(SLOW_EFFECTS)
        tab.page.route("**/views/predict.js", after_signing_in)
        tab.open("/")
        question(tab).fill(WORDS["en"][0])
        tab.button("auth.try").click()
        expect_answered(tab)


def test_a_view_that_comes_late_leaves_an_open_menu_open(open_tab: OpenTab) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    with open_tab() as tab:
        tab.open("/").sign_in()
        tab.page.route("**/views/predict.js", hold)
        tab.page.reload()
        tab.page.get_by_role("button", name=tab.words("nav.menu")).click()
        sign_out = tab.button("auth.sign_out")
        expect(sign_out).to_be_visible()
        held.pop().continue_()
        expect(question(tab)).to_be_visible()
        tab.page.wait_for_timeout(SETTLE_MS)
        expect(sign_out).to_be_visible()


def test_a_visitor_who_creates_an_account_keeps_what_was_typed(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.open("/")
        question(tab).fill("I typed this before")
        tab.page.get_by_role("button", name=tab.words("auth.create"), exact=True).first.click()
        dialog = tab.page.get_by_role("dialog")
        dialog.get_by_label(tab.words("auth.name"), exact=True).fill(new_name())
        dialog.get_by_label(tab.words("auth.password"), exact=True).fill(PASSWORD)
        tab.page.keyboard.press("Enter")
        dialog.wait_for(state="detached")
        expect(question(tab)).to_have_value("I typed this before")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_client_asks_and_pays_wherever_the_page_is_served(chrome: Browser, place: str, language: Language) -> None:
    with tab(chrome, place, language=language) as client:
        client.open("/")
        client.page.get_by_role("button", name=client.words("auth.create"), exact=True).first.click()
        dialog = client.page.get_by_role("dialog")
        dialog.get_by_label(client.words("auth.name"), exact=True).fill(new_name(f"{language}-client"))
        dialog.get_by_label(client.words("auth.password"), exact=True).fill(PASSWORD)
        client.page.keyboard.press("Enter")
        expect_balance(client, 100)
        client.open("/app/predict")
        ask(client, WORDS[language][0])
        expect_answered(client)
        expect(answer(client)).to_contain_text(WORDS[language][1])
        expect_balance(client, 99)
        shown = client.page.url
        client.page.reload()
        client.shown()
        expect_answered(client)
        assert client.page.url == shown


def test_earlier_answers_are_a_click_away_and_back_leads_back(open_tab: OpenTab, native: System) -> None:
    name = new_name()
    native.register(name).close()
    with open_tab() as tab:
        tab.sign_in(name, PASSWORD).open("/app/predict")
        choose_model(tab, "echo")
        for text in ("the first one", "the second one"):
            ask(tab, text)
            expect(answer(tab)).to_contain_text(text, timeout=PATIENCE_MS)
            expect_answered(tab)
        recent = tab.page.get_by_role("region", name=tab.words("recent.title"))
        recent.get_by_role("link", name="the first one").click()
        expect(answer(tab)).to_contain_text("the first one")
        first = tab.page.url
        recent.get_by_role("link", name="the second one").click()
        expect(answer(tab)).to_contain_text("the second one")
        tab.page.go_back()
        expect(answer(tab)).to_contain_text("the first one")
        assert tab.page.url == first
        tab.page.go_forward()
        expect(answer(tab)).to_contain_text("the second one")


def test_an_answer_reaches_all_tabs(chrome: Browser, open_tab: OpenTab, native: System) -> None:
    name = new_name()
    native.register(name).close()
    with open_tab() as first, tab(chrome, native.url, context=first.page.context) as second:
        first.sign_in(name, PASSWORD).open("/app/predict")
        second.open("/app/predict")
        expect_balance(second, 100)
        ask(first, "Wonderful")
        expect_balance(first, 99)
        expect_balance(second, 99)


@pytest.mark.parametrize("kind", ["curl", "Python", "JavaScript"])
def test_the_code_beside_the_answer_runs_as_it_is(open_tab: OpenTab, native: System, kind: str) -> None:
    name = new_name()
    with native.register(name) as client:
        key = client.post("/api-keys", json={"name": "code", "scopes": ["predict"]}).json()["key"]
    text = 'It\'s "good" & <cheap> \\ $HOME `id`\nвторая строка'
    with open_tab() as tab:
        tab.sign_in(name, PASSWORD).open("/app/predict")
        choose_model(tab, "echo")
        question(tab).fill(text)
        tab.page.get_by_role("radio", name=kind).check()
        code = tab.page.locator(".code__text").inner_text()
    assert "mls_YOUR_KEY" in code
    code = code.replace("mls_YOUR_KEY", key)
    runs = {
        "curl": ["bash", "-c"],
        "Python": [sys.executable, "-c"],
        "JavaScript": ["node", "--input-type=module", "-e"],
    }
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    done = subprocess.run([*runs[kind], code], capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "вторая строка" in done.stdout
    assert "$HOME `id`" in done.stdout


def test_what_people_type_is_shown_and_never_run(open_tab: OpenTab, native: System) -> None:
    name = new_name()
    native.register(name).close()
    with open_tab() as tab:
        dialogs: list[str] = []
        tab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        tab.sign_in(name, PASSWORD).open("/app/predict")
        for model in ("echo", "sentiment"):
            choose_model(tab, model)
            ask(tab, HOSTILE)
            expect_answered(tab)
            expect_balance(tab, 99 if model == "echo" else 98)
        choose_model(tab, "troublesome")
        expect(tab.page.locator(".ask__model")).to_contain_text(HOSTILE_DESCRIPTION)
        choose_model(tab, "echo")
        ask(tab, HOSTILE)
        expect(answer(tab)).to_contain_text(HOSTILE, timeout=PATIENCE_MS)
        for path in ("/app/history", "/app/predict"):
            tab.open(path)
            expect(tab.page.get_by_text("onerror=alert(1)").locator("visible=true").first).to_be_visible()
            assert tab.page.locator("img[src=x]").count() == 0
        assert dialogs == []


@pytest.mark.parametrize(("language", "label"), [("en", "Content"), ("ru", "Файл")])
def test_a_file_is_told_by_its_name_and_size(open_tab: OpenTab, tmp_path: Path, language: Language, label: str) -> None:
    content = {"type": "string", "contentEncoding": "base64", "maxLength": 40}

    def with_a_file(route: Route) -> None:
        found = route.fetch().json()
        for one in found["items"]:
            if one["name"] == "echo":
                one["examples"] = [{"content": "R0lGODlhAQ=="}]
                one["input_schema"] = {"type": "object", "properties": {"content": content}, "required": ["content"]}
        route.fulfill(json=found)

    with open_tab(language=language) as tab:
        tab.page.route("**/models", with_a_file)
        tab.sign_in().open("/")
        choose_model(tab, "echo")
        form, example = tab.page.locator(".ask__form"), tab.page.locator(".example")
        expect(form).to_contain_text(label)
        expect(example).to_have_text(re.compile(rf"^{tab.words('form.file')} · 7\b"))
        small, large = tmp_path / "dot.gif", tmp_path / "large.gif"
        small.write_bytes(b"GIF89a")
        large.write_bytes(b"GIF89a" * 6)
        tab.page.locator("input[type=file]").set_input_files(small)
        expect(form).to_contain_text("dot.gif · 6")
        tab.page.locator("input[type=file]").set_input_files(large)
        expect(form).to_contain_text(tab.words("form.file_too_large", size="|").split("|")[0])
        example.click()
        expect(form).not_to_contain_text("dot.gif")
