"""What people read in the list of their sign-ins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.app.http.user_agents import client_name

WEBKIT = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) {}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WEBKIT.format("X11; Linux x86_64", "Chrome/140.0.0.0 Safari/537.36"), "Chrome on Linux"),
        (WEBKIT.format("Windows NT 10.0; Win64; x64", "Chrome/140.0.0.0 Safari/537.36 Edg/140.0"), "Edge on Windows"),
        (WEBKIT.format("Linux; Android 10; K", "Chrome/140.0 Mobile Safari/537.36"), "Chrome on Android"),
        (WEBKIT.format("X11; CrOS x86_64 14541.0.0", "Chrome/140.0 Safari/537.36"), "Chrome on ChromeOS"),
        (WEBKIT.format("Windows NT 10.0", "Chrome/140 YaBrowser/25 Safari/537.36"), "Yandex Browser on Windows"),
        (WEBKIT.format("Macintosh; Intel Mac OS X 10_15_7", "Version/18.0 Safari/605.1.15"), "Safari on macOS"),
        (WEBKIT.format("iPhone; CPU iPhone OS 18_0 like Mac OS X", "CriOS/140 Mobile Safari/604"), "Chrome on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Linux"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32", "python-requests"),
        ("Mozilla/5.0 something", None),
        ("<script>alert(1)</script>", None),
        ("", None),
    ],
)
def test_a_client_has_a_short_name(text: str, expected: str | None) -> None:
    assert client_name({"headers": [(b"user-agent", text.encode())]}) == expected


def test_a_client_without_a_user_agent_has_no_name() -> None:
    assert client_name({"headers": []}) is None


@given(st.binary(max_size=600))
def test_a_name_is_short_and_plain_whatever_is_sent(value: bytes) -> None:
    name = client_name({"headers": [(b"user-agent", value)]})
    assert name is None or (0 < len(name) <= 60 and name.isascii() and name.isprintable())
