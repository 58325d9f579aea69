"""Addresses that are taken for webhooks, and when a message is sent again."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from ml_service.domain.errors import InvalidInput
from ml_service.domain.webhooks import DELAYS_S, RequestWebhook, check_url, retry_delay_s

PORTS = (range(80, 81), range(443, 444), range(1024, 65_536))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        *[
            (url, "private or reserved")
            for url in (
                *("http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]:8000/", "http://10.0.0.1:8080/x"),
                *("http://169.254.169.254/latest", "https://192.168.0.1", "http://[fd00:ec2::254]/", "http://0.0.0.0/"),
                *("http://[64:ff9b::7f00:1]/", "http://100.64.1.1/", "http://[fe80::1]/"),
            )
        ],
        *[
            (url, "written like")
            for url in (
                "http://2130706433/",
                "http://0x7f000001/",
                "http://127.1/",
                "http://0177.0.0.1.",
                "http://0x7f.1/",
            )
        ],
        *[
            (url, "begins with")
            for url in ("file:///etc/passwd", "ftp://example.com/", "//example.com", "example.com", "")
        ],
        *[(url, "user name") for url in ("https://me@example.com/", "https://me:secret@example.com/", "http://a@b@c/")],
        *[(url, "port") for url in ("http://example.com:22/", "https://example.com:25", "http://example.com:0/")],
        *[(url, "no host") for url in ("http://", "https:///path", "http://:80/")],
        *[
            (url, "not a URL")
            for url in ("http://example.com:x/", "http://example.com:70000/", "http://[::1", "http://a..b/")
        ],
        *[
            (url, "no spaces")
            for url in ("http://exa mple.com/", "http://example.com/\r\nX: y", "http:\\\\example.com")
        ],
        ("https://example.com/" + "x" * 2048, "at most 2048"),
    ],
)
def test_a_url_that_is_never_sent_to_is_refused(url: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        check_url(url, PORTS, ())


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.com", "http://example.com:8080/hooks?x=1", "https://пример.рф/", "https://EXAMPLE.com:443/"),
        *(
            "https://8.8.8.8/",
            "https://[2606:4700:4700::1111]/",
            "http://localhost/",
            "https://hooks1.example.com/a%20b",
        ),
    ],
)
def test_a_url_of_the_internet_is_taken(url: str) -> None:
    check_url(url, PORTS, ())  # where a name leads is looked at when it is connected to


def test_a_network_of_ones_own_can_be_opened() -> None:
    check_url("http://10.1.2.3:8080/", PORTS, (ip_network("10.0.0.0/8"),))


def test_a_message_is_sent_again_for_a_day_and_then_given_up() -> None:
    delays = [retry_delay_s(tries) for tries in range(1, len(DELAYS_S) + 2)]
    assert delays[-1] is None
    known = [delay for delay in delays if delay is not None]
    assert all(0.9 * least <= delay <= 1.1 * least for delay, least in zip(known, DELAYS_S, strict=True))
    assert 20 * 3600 < sum(DELAYS_S) < 28 * 3600


def test_messages_that_failed_together_do_not_come_again_together() -> None:
    assert len({retry_delay_s(5) for _ in range(20)}) > 10


def test_a_receiver_may_ask_for_more_time_within_bounds() -> None:
    assert retry_delay_s(1, 77) == 77
    assert retry_delay_s(1, 1e9) == 3600
    assert (retry_delay_s(10, 5) or 0) > 30_000


ORIGINS = [
    (
        "https://example.com:8443",
        ["https://Example.com:8443/a?b", "https://example.com.:8443/c", "HTTPS://example.com:8443"],
    ),
    ("https://example.com:443", ["https://example.com", "https://example.com:443/", "https://EXAMPLE.com.#x"]),
    ("http://example.com:80", ["http://example.com", "http://example.com:80/x"]),
    (
        "https://xn--e1afmkfd.xn--p1ai:443",
        ["https://пример.рф", "https://ПРИМЕР.РФ:443", "https://xn--e1afmkfd.xn--p1ai/"],
    ),
    ("https://[2606:4700::1111]:443", ["https://[2606:4700::1111]/", "https://[2606:4700::1111]:443"]),
]


@pytest.mark.parametrize(("origin", "urls"), ORIGINS, ids=lambda one: one if isinstance(one, str) else "")
def test_one_receiver_has_one_origin_however_it_is_spelled(origin: str, urls: list[str]) -> None:
    assert {RequestWebhook(url, ()).origin for url in urls} == {origin}
