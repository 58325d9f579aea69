"""What the page says in Russian is said in Russian."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.page.conftest import OpenTab
from tests.page.test_views import OPERATE, PERSONAL, PUBLIC
from tests.support.browser import Tab
from tests.support.page_people import PASSWORD, choose_model, new_name
from tests.support.system import System

_ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,}")
_COMMANDS = "ml-service admin top-up"
_SAID = """() => {
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { textContent, parentElement } = texts.currentNode;
    if (!parentElement.closest("script, style, noscript, code, pre, .mono, .example, .reason")) {
      found.push(textContent.trim());
    }
  }
  for (const name of ["title", "aria-label", "placeholder", "alt"]) {
    for (const one of document.querySelectorAll(`[${name}]`)) found.push(one.getAttribute(name));
  }
  return found;
}"""


def english(tab: Tab) -> list[str]:
    """What is said in English words, but for commands, the texts that models offer to try, and reasons people gave."""
    said: list[str] = tab.page.evaluate(_SAID)
    return [text for text in said if _ENGLISH.search(text.replace(_COMMANDS, ""))]


def test_nothing_on_the_russian_page_is_english(open_tab: OpenTab, native: System) -> None:
    name = new_name("admin")
    with native.register(name):
        native.run("--cli", "admin", "create", name, "--existing")
    with open_tab(language="ru") as tab:
        found = {path: english(tab.open(path)) for path in PUBLIC}
        tab.sign_in(name, PASSWORD)
        found |= {path: english(tab.open(path)) for path in (*PERSONAL, *OPERATE)}
        expect(tab.open("/app/account").page.get_by_role("rowheader", name="Chrome на Linux")).to_be_visible()
        tab.open("/app/predict")
        for model in ("echo", "sentiment"):
            choose_model(tab, model)
            expect(tab.page.locator(".picker__name")).to_have_text(model)
            found[model] = english(tab)
        assert {place: texts for place, texts in found.items() if texts} == {}
