"""Every view, in both languages and themes, at three widths: nothing that axe finds, nothing wider than the window."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.page.conftest import OpenTab
from tests.support.browser import DESKTOP, PHONE, TABLET, Language, Tab, Theme
from tests.support.page_people import PASSWORD, new_name
from tests.support.system import System

ZOOMED, ZOOMED_MORE = 640, 320
"""1280 px at 200 % and at 400 % (WCAG 1.4.4, 1.4.10)."""
LARGE_PX = 32
"""Letters of twice their usual size, as somebody may set them for all pages."""
PRESSED = "button, a, input:not([type=hidden]), select, textarea"
COVERED_BY = """(one) => {
  const box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return one.contains(top) || top?.contains(one) ? "" : `${one.outerHTML} is covered by ${top?.outerHTML}`;
}"""
PUBLIC = ("/", "/app/nowhere")
PERSONAL = ("/app/predict", "/app/history", "/app/bulk", "/app/credits", "/app/developers", "/app/account")
OPERATE = tuple(
    f"/app/operate/{part}"
    for part in ("overview", "models", "users", "predictions", "dead-letters", "audit", "actions")
)
TEXTS = ("Works like a charm!", "Ужасно, больше не приду", "<b>so-so</b> " * 20)


@pytest.fixture(scope="module")
def admin(native: System) -> str:
    """Somebody who may see everything, and has asked for something."""
    name = new_name("admin")
    with native.register(name) as client:
        for text in TEXTS:
            answer = client.post("/predictions/predict", json={"text": text}, headers={"Prefer": "wait=20"})
            assert answer.status_code == 200, answer.text
    native.run("--cli", "admin", "create", name, "--existing")
    return name


def check(tab: Tab) -> None:
    found: list[str] = []
    looks: list[tuple[int, Theme]] = [(DESKTOP, "dark"), (TABLET, "dark"), (ZOOMED, "dark"), (PHONE, "dark")]
    looks += [(width, "light") for width, _ in reversed(looks)] + [(ZOOMED_MORE, "light")]
    for width, theme in looks:
        tab.look(width=width, theme=theme)
        if wide := tab.overflow():
            found.append(f"{width} px: wider than the window: {wide}")
        if width not in (ZOOMED, ZOOMED_MORE):
            found += [f"{width} px, {theme}: {fault}" for fault in tab.accessibility_faults()]
    devtools = tab.page.context.new_cdp_session(tab.page)
    devtools.send("Page.setFontSizes", {"fontSizes": {"standard": LARGE_PX}})
    tab.look(width=1280)
    if wide := tab.overflow():
        found.append(f"large letters: wider than the window: {wide}")
    devtools.send("Page.setFontSizes", {"fontSizes": {"standard": LARGE_PX // 2}})
    devtools.detach()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("path", PUBLIC)
def test_a_view_for_everyone_suits_everyone(open_tab: OpenTab, path: str, language: Language) -> None:
    with open_tab(language=language) as tab:
        check(tab.open(path))


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("path", PERSONAL + OPERATE)
def test_a_view_suits_everyone(open_tab: OpenTab, admin: str, path: str, language: Language) -> None:
    with open_tab(language=language) as tab:
        check(tab.sign_in(admin, PASSWORD).open(path))
        assert tab.page.locator("html").get_attribute("lang") == language


@pytest.mark.parametrize("language", ["en", "ru"])
def test_large_letters_fit_at_400_percent(open_tab: OpenTab, native: System, language: Language) -> None:
    name = new_name("admin")
    with native.register(name):
        native.run("--cli", "admin", "create", name, "--existing")
    with open_tab(language=language) as tab:
        tab.sign_in(name, PASSWORD).look(width=ZOOMED_MORE)
        devtools = tab.page.context.new_cdp_session(tab.page)
        devtools.send("Page.setFontSizes", {"fontSizes": {"standard": LARGE_PX}})
        wide = {path: tab.open(path).overflow() for path in (*PUBLIC, *PERSONAL, *OPERATE)}
        assert {path: found for path, found in wide.items() if found} == {}


def test_the_dialogs_suit_everyone(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.open("/")
        for key in ("auth.sign_in", "auth.create"):
            tab.button(key).click()
            tab.page.get_by_role("dialog").wait_for()
            check(tab)
            tab.look(width=DESKTOP)
            tab.page.keyboard.press("Escape")
            tab.page.get_by_role("dialog").wait_for(state="detached")


def reach_all(tab: Tab, inside: Locator) -> None:
    """Whatever can be pressed there can be scrolled to where no bar covers it."""
    inside.wait_for()
    assert tab.overflow() == ""
    for one in inside.locator(PRESSED).locator("visible=true").all():
        one.scroll_into_view_if_needed()
        assert one.evaluate(COVERED_BY) == ""


@pytest.mark.parametrize("language", ["en", "ru"])
def test_dialogs_and_menus_are_reached_at_400_percent(open_tab: OpenTab, admin: str, language: Language) -> None:
    with open_tab(language=language) as tab:
        tab.page.set_viewport_size({"width": ZOOMED_MORE, "height": 256})
        dialog = tab.page.get_by_role("dialog")
        tab.open("/")
        for key in ("auth.sign_in", "auth.create"):
            tab.page.get_by_role("button", name=tab.words(key), exact=True).locator("visible=true").first.click()
            reach_all(tab, dialog)
            tab.page.keyboard.press("Escape")
            expect(dialog).to_be_hidden()
        tab.sign_in(admin, PASSWORD).open("/app/predict")
        tab.page.get_by_role("button", name=tab.words("nav.menu")).click()
        reach_all(tab, tab.page.locator(".topbar .menu__panel"))
        tab.page.keyboard.press("Escape")
        tab.page.locator(".ask__model").get_by_role("button").first.click()
        reach_all(tab, tab.page.locator(".ask .menu__panel"))
        for path, key in (
            ("developers", "keys.make"),
            ("developers", "webhooks.make"),
            ("account", "account.delete"),
            ("operate/models", "operate.edit"),
        ):
            tab.open(f"/app/{path}")
            opener = tab.page.get_by_role("main").get_by_role("button", name=tab.words(key)).first
            opener.click()
            reach_all(tab, dialog)
            tab.page.keyboard.press("Escape")
            expect(opener).to_be_focused()
        tab.open("/app/history")
        tab.page.locator(".page__head").get_by_role("button").click()
        reach_all(tab, tab.page.locator(".page__head .menu__panel"))


def test_every_route_of_the_page_is_looked_at(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.open("/")
        routes = tab.page.evaluate("import('/web/routes.js').then((page) => page.ROUTES.map((route) => route.path))")
        looked_at = {path.rsplit("/", 1)[0] if path in OPERATE else path for path in (*PUBLIC, *PERSONAL, *OPERATE)}
        assert {path.partition("/:")[0] for path in routes} <= looked_at


def test_the_reference_follows_the_theme_and_leads_back(open_tab: OpenTab) -> None:
    with open_tab(theme="dark") as tab:
        tab.page.goto(tab.url + "/docs")
        tab.page.get_by_text("Submit a prediction", exact=True).wait_for()
        background = "getComputedStyle(document.body).backgroundColor"
        dark = tab.page.evaluate(background)
        tab.look(theme="light")
        assert tab.page.evaluate(background) != dark
        assert tab.overflow() == ""
        tab.page.get_by_role("link", name="ML Service", exact=True).click()
        tab.page.wait_for_url(tab.url + "/")


def test_without_javascript_a_sentence_leads_to_the_reference(chrome: Browser, native: System) -> None:
    context = chrome.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(native.url + "/app/history")
    assert "This page needs JavaScript" in page.inner_text("body")
    assert "Для этой страницы нужен JavaScript" in page.inner_text("body")
    assert page.get_by_role("link", name="/docs").first.get_attribute("href") == "/docs"
    context.close()
