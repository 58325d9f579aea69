"""Which addresses are connected to for strangers."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from ml_service.domain.addresses import is_reachable


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.10", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.9", "168.63.129.16"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "4000::1"),
    ],
)
def test_an_address_that_is_not_public_is_not_reachable(address: str) -> None:
    assert not is_reachable(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1", "100.128.0.1"],
)
def test_a_public_address_is_reachable(address: str) -> None:
    assert is_reachable(address)


def test_only_the_networks_that_were_opened_are_reachable() -> None:
    opened = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))
    assert [is_reachable(one, opened) for one in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00:1::5")] == (
        [True] * 4
    )
    assert [is_reachable(one, opened) for one in ("10.2.0.1", "127.0.0.1", "fd00:2::1", "169.254.169.254")] == (
        [False] * 4
    )


@pytest.mark.parametrize("text", ["", "localhost", "2130706433", "127.1", "0x7f.0.0.1"])
def test_what_is_not_an_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        is_reachable(text)
