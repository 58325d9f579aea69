"""Whom a request counts against."""

from __future__ import annotations

import pytest

from services.app.http.addresses import LOCAL, client_of, is_direct_from, networks, scheme_of


def scope(peer: str | None, *forwarded: str) -> dict[str, object]:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"client": (peer, 1) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("203.0.113.5", [], "", "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "", "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1"], "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.0/8", "10.0.0.3"),
        ("10.0.0.1", ["nonsense"], "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.0/8", "10.0.0.1"),
        ("::ffff:203.0.113.5", [], "", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", [], "", "2001:db8:1:2::/64"),
        (None, ["198.51.100.1"], "10.0.0.0/8", LOCAL),
        ("testclient", [], "", LOCAL),
    ],
)
def test_only_trusted_hops_are_believed(peer: str | None, forwarded: list[str], trusted: str, expected: str) -> None:
    assert client_of(scope(peer, *forwarded), networks(trusted)) == expected


def test_who_speaks_for_others_is_not_inside() -> None:
    inside = networks("127.0.0.0/8, ::1")
    assert is_direct_from(scope("127.0.0.1"), inside)
    assert is_direct_from(scope("::1"), inside)
    assert not is_direct_from(scope("127.0.0.1", "198.51.100.1"), inside)
    assert not is_direct_from(scope("203.0.113.5"), inside)


@pytest.mark.parametrize(
    ("peer", "told", "expected"),
    [
        ("10.0.0.1", [], "http"),
        ("10.0.0.1", ["https"], "https"),
        ("10.0.0.1", ["HTTPS"], "https"),
        ("10.0.0.1", ["https, http"], "https"),
        ("10.0.0.1", ["http, https"], "http"),
        ("10.0.0.1", ["https", "http"], "http"),
        ("10.0.0.1", ["httpsx"], "http"),
        ("203.0.113.5", ["https"], "http"),
        (None, ["https"], "http"),
    ],
)
def test_only_a_trusted_proxy_tells_the_scheme(peer: str | None, told: list[str], expected: str) -> None:
    headers = [(b"x-forwarded-proto", line.encode()) for line in told]
    asked = {"client": (peer, 1) if peer else None, "headers": headers, "scheme": "http"}
    assert scheme_of(asked, networks("10.0.0.0/8")) == expected
