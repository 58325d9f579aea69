"""Really started systems, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from playwright.sync_api import Browser

from tests.support.browser import AXE, ROOT, Tab, browser, chromium, tab
from tests.support.nginx import NGINX, a_door
from tests.support.nodes import skip_or_fail
from tests.support.system import System
from tests.support.systems import system_on

HOSTILE_DESCRIPTION = "<img src=x onerror=alert(3)><script>alert(4)</script>"
OpenTab = Callable[..., AbstractContextManager[Tab]]


@pytest.fixture(scope="session", autouse=True)
def _needs_a_browser() -> None:
    if chromium() is None:
        skip_or_fail("There is no Chromium here: apt-get install chromium")
    if not AXE.exists():
        skip_or_fail("axe-core is not here: npm ci")


@pytest.fixture(scope="session")
def chrome(_needs_a_browser: None) -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def native(_needs_a_browser: None) -> Iterator[System]:
    """Started with PostgreSQL for its queue; shared by all tests here, so that a test registers people of its own."""
    with system_on("postgres") as made:
        model = made.root / "models" / "troublesome"
        shutil.copytree(ROOT / "tests" / "models" / "troublesome", model)
        text = (model / "model.py").read_text()
        text = text.replace("For tests only.", HOSTILE_DESCRIPTION)
        # A rule that the page leaves to the service.
        text = text.replace("timeout_s = 5.0", "timeout_s = 600.0")
        (model / "model.py").write_text(text.replace('{"type": "string"}', '{"type": "string", "pattern": "^[^#]"}', 1))
        made.models = "echo,sentiment,troublesome"
        # Each test registers its own people; webhooks are received on this machine.
        (made.root / ".env").write_text("REGISTRATIONS_PER_HOUR_MAX=1000\nWEBHOOK_NETWORKS=127.0.0.0/8\n")
        made.start("--workers", "1")
        made.until_all_ready()
        yield made


@pytest.fixture
def open_tab(chrome: Browser, native: System) -> OpenTab:
    """Open a tab on the native system, with a person's preferences."""
    return partial(tab, chrome, native.url)


@pytest.fixture(scope="session", params=["postgres", "rabbitmq", "nginx"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """The page's address on a system with each queue, and through nginx."""
    if request.param == "rabbitmq":
        with system_on("rabbitmq") as made:
            made.start("--workers", "1")
            made.until_all_ready()
            yield made.url
        return
    native: System = request.getfixturevalue("native")
    if request.param == "postgres":
        yield native.url
        return
    if NGINX is None:
        skip_or_fail("nginx is not installed here: apt-get install nginx-light")
    with a_door(native.port, "127.0.0.1") as door:
        yield f"http://127.0.0.1:{door.port}"
