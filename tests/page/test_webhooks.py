"""Webhooks, as somebody adds one, looks at what was sent, and mends it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Locator, expect
from standardwebhooks import Webhook

from tests.page.conftest import OpenTab
from tests.page.test_views import check
from tests.support.browser import DESKTOP, Language, Tab
from tests.support.page_people import PASSWORD, new_name
from tests.support.system import System


class LocalReceiver:
    """Answers each message with ``status`` and keeps it."""

    def __init__(self) -> None:
        self.status = 204
        self.received: list[tuple[dict[str, str], str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.received.append((dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    @contextmanager
    def listening(self) -> Iterator[LocalReceiver]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def section(tab: Tab) -> Locator:
    return tab.page.get_by_role("region", name=tab.words("webhooks.title"), exact=True)


def dialog(tab: Tab) -> Locator:
    return tab.page.get_by_role("dialog")


def press(tab: Tab, key: str, place: Locator | None = None) -> None:
    (place or dialog(tab)).get_by_role("button", name=tab.words(key), exact=True).click()


def choose(tab: Tab, url: str, key: str) -> None:
    section(tab).get_by_role("button", name=tab.words("webhooks.actions", url=url)).click()
    tab.page.get_by_role("button", name=tab.words(key), exact=True).click()


def add(tab: Tab, url: str) -> str:
    """Add a webhook; returns its secret, as it is shown."""
    section(tab).get_by_role("button", name=tab.words("webhooks.make"), exact=True).click()
    dialog(tab).get_by_label(re.compile(re.escape(tab.words("webhooks.url")))).fill(url)
    press(tab, "webhooks.make")
    expect(dialog(tab)).to_contain_text("whsec_")
    secret = dialog(tab).locator("code.wrap").inner_text()
    press(tab, "webhooks.kept")
    dialog(tab).wait_for(state="detached")
    return secret


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_webhook_is_added_tested_and_its_log_read(open_tab: OpenTab, native: System, language: Language) -> None:
    name = new_name()
    with native.register(name), LocalReceiver().listening() as receiver, open_tab(language=language) as tab:
        tab.sign_in(name, PASSWORD).open("/app/developers")
        secret = add(tab, receiver.url)
        expect(section(tab)).to_contain_text(receiver.url)
        press(tab, "webhooks.log", section(tab))
        expect(dialog(tab)).to_contain_text(tab.words("webhooks.log_empty"))
        press(tab, "webhooks.test")
        message = dialog(tab).get_by_role("listitem").first
        expect(message).to_contain_text(tab.words("webhooks.delivery.delivered"), timeout=20_000)
        headers, body = receiver.received[0]
        assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
        message.locator("summary").click()
        expect(message).to_contain_text("204")
        check(tab)
        tab.look(width=DESKTOP)
        press(tab, "webhooks.resend", message)
        expect(message.locator("ol > li")).to_have_count(2, timeout=20_000)
        assert {one["webhook-id"] for one, _ in receiver.received} == {headers["webhook-id"]}
        receiver.status = 500
        press(tab, "webhooks.resend", message)
        expect(message).to_contain_text(tab.words("webhooks.failure.answered", detail=500), timeout=20_000)
        press(tab, "action.close", dialog(tab).locator("footer"))
        choose(tab, receiver.url, "webhooks.rotate")
        press(tab, "webhooks.rotate")
        expect(dialog(tab)).to_contain_text("whsec_")
        assert dialog(tab).locator("code.wrap").inner_text() != secret
        press(tab, "webhooks.kept")
        choose(tab, receiver.url, "webhooks.delete")
        press(tab, "webhooks.delete")
        expect(section(tab)).to_contain_text(tab.words("webhooks.empty"))


def test_what_is_wrong_with_a_webhook_stands_beside_it(open_tab: OpenTab, native: System) -> None:
    name = new_name()
    with native.register(name), open_tab() as tab:
        tab.sign_in(name, PASSWORD).open("/app/developers")
        section(tab).get_by_role("button", name=tab.words("webhooks.make"), exact=True).click()
        url = dialog(tab).get_by_label(re.compile(tab.words("webhooks.url")))
        for typed, why in (("example.com", "begins with"), ("https://me:secret@example.com", "user name")):
            url.fill(typed)
            press(tab, "webhooks.make")
            expect(dialog(tab)).to_contain_text(why)
            expect(url).to_have_attribute("aria-invalid", "true")
        check(tab)


def test_one_that_was_switched_off_is_said_and_switched_on_again(open_tab: OpenTab, native: System) -> None:
    name = new_name()
    with native.register(name) as client, LocalReceiver().listening() as receiver, open_tab() as tab:
        receiver.status = 410
        body = {"url": receiver.url, "events": ["prediction.succeeded"]}
        made = client.post("/webhooks", json=body).json()
        client.post(f"/webhooks/{made['id']}/test")
        tab.sign_in(name, PASSWORD).open("/app/developers")
        for _ in range(50):
            if not json.loads(client.get("/webhooks").text)["items"][0]["is_enabled"]:
                break
            tab.page.wait_for_timeout(100)
        tab.page.reload()
        tab.shown()
        expect(section(tab)).to_contain_text(tab.words("webhooks.disabled.gone", url=receiver.url))
        check(tab)
        tab.look(width=DESKTOP)
        choose(tab, receiver.url, "webhooks.switch_on")
        press(tab, "webhooks.switch_on")
        expect(section(tab)).to_contain_text(tab.words("webhooks.on"))
        expect(section(tab)).not_to_contain_text(tab.words("webhooks.disabled.gone", url=receiver.url))
