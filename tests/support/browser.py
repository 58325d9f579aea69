"""A Chromium, and tabs in it that complain about whatever a person would not see: errors, refusals, other hosts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 60_000
"""For what takes a moment on an idle machine."""
_SETTLE_MS = 250
"""Until a new width and theme have been drawn."""
PHONE, TABLET, DESKTOP = 360, 768, 1440
_HEIGHTS = {PHONE: 740, TABLET: 1024}
_REPORT_REFUSALS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_EXPECTED = ("Failed to load resource: the server responded", "Failed to load resource: net::ERR")
"""What Chromium says about answers such as 402 and about being offline: the page's own business."""

expect.set_options(timeout=PATIENCE_MS)

Language = Literal["en", "ru"]
Theme = Literal["light", "dark"]


def chromium() -> str | None:
    """The browser's program."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield opened
        opened.close()


@dataclass
class Tab:
    """A tab, and what went wrong in it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Tab:
        """Go to an address of the page, and wait until it shows something."""
        answer = self.page.goto(self.url + path)
        assert answer is None or answer.ok, f"{path}: {answer.status if answer else ''}"
        return self.shown()

    def shown(self) -> Tab:
        """Wait until the view is there and nothing in it is loading."""
        self.page.wait_for_selector("main > *", timeout=PATIENCE_MS)
        expect(self.page.locator("main [aria-busy=true], main .skeleton")).to_have_count(0, timeout=PATIENCE_MS)
        return self

    def sign_in(self, username: str = "test", password: str = "test") -> Tab:
        """Have a session, as if the person had signed in here before."""
        if not self.page.url.startswith(self.url):
            self.page.goto(self.url + "/")
        asked = {"username": username, "password": password}
        status = self.page.evaluate(
            """async (asked) => {
              localStorage.setItem("signed_in", "1");
              return (await fetch("/session", {
                method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(asked)
              })).status;
            }""",
            asked,
        )
        assert status == 200, status
        return self

    def look(self, *, width: int | None = None, theme: Theme | None = None) -> Tab:
        """Make the window so wide, or the system's theme so."""
        if width:
            self.page.set_viewport_size({"width": width, "height": _HEIGHTS.get(width, 900)})
        if theme:
            self.page.emulate_media(color_scheme=theme)
        self.page.wait_for_timeout(_SETTLE_MS)
        # On a busy machine a change of colours may still be under way; spinners are no transitions.
        self.page.evaluate(
            "Promise.allSettled(document.getAnimations().filter((one) => one instanceof CSSTransition)"
            ".map((one) => one.finished)).then(() => null)"
        )
        return self

    def accessibility_faults(self) -> list[str]:
        """What axe finds, a line for each element."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{fault['id']} ({fault['help']}): {' '.join(map(str, node['target']))} {_reason(node)}"
            for fault in found["violations"]
            for node in fault["nodes"]
        ]

    def overflow(self) -> str:
        """What is wider than the window; empty where nothing is."""
        found: str = self.page.evaluate(
            """() => {
              const width = document.documentElement.clientWidth;
              if (document.documentElement.scrollWidth <= width) return "";
              const wide = [...document.querySelectorAll("body *")].filter(
                (one) => one.getBoundingClientRect().right > width + 1);
              return `${document.documentElement.scrollWidth} px: ` + wide.map(
                (one) => `${one.tagName.toLowerCase()}.${one.className}`).slice(0, 5).join(", ");
            }"""
        )
        return found

    def words(self, key: str, **params: object) -> str:
        """A phrase of the page, in the language that it has now."""
        found: str = self.page.evaluate(
            """async ([key, params]) => {
              const page = await import("/web/i18n/index.js");
              for (let left = 200; left && !page.has(key); left--) await new Promise((go) => setTimeout(go, 50));
              if (!page.has(key)) throw new Error(`there is no phrase ${key}`);
              return page.t(key, params);
            }""",
            [key, params],
        )
        return found

    def button(self, key: str, **params: object) -> Locator:
        """The first button that says so."""
        return self.page.get_by_role("button", name=self.words(key, **params), exact=True).first

    def text(self) -> str:
        """What the view says."""
        return self.page.inner_text("body")


def _reason(node: dict[str, Any]) -> str:
    return json.dumps((node.get("failureSummary") or "").split("\n")[1:2])


def _watch(context: BrowserContext, page: Page, url: str, complaints: list[str]) -> None:
    own = urlsplit(url).netloc

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_EXPECTED):
            complaints.append(f"{message.type}: {message.text}")

    def asked(request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme not in ("data", "blob") and place.netloc != own:
            complaints.append(f"a request to {request.url}")

    context.add_init_script(_REPORT_REFUSALS)
    context.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"an exception: {error}"))


@contextmanager
def tab(
    opened: Browser,
    url: str,
    *,
    language: Language = "en",
    width: int = DESKTOP,
    theme: Theme = "light",
    context: BrowserContext | None = None,
) -> Iterator[Tab]:
    """A tab for a person with these preferences; fails where the page did what it must not.

    Args:
        context: Of another tab: the same person's browser, with its session.
    """
    mine = context or opened.new_context(
        locale="ru-RU" if language == "ru" else "en-US",
        timezone_id="Europe/Moscow",
        viewport={"width": width, "height": _HEIGHTS.get(width, 900)},
        color_scheme=theme,
        reduced_motion="reduce",
        accept_downloads=True,
    )
    mine.set_default_timeout(PATIENCE_MS)
    page = mine.new_page()
    complaints: list[str] = []
    _watch(mine, page, url, complaints)
    try:
        yield Tab(page, url, complaints)
        assert complaints == []
    finally:
        page.close()
        if context is None:
            mine.close()
