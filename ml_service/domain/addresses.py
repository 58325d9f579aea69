"""Which addresses of a network strangers may make us connect to."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_V6 = ip_network("2000::/3")
_RESERVED = tuple(
    map(ip_network, ("192.0.0.0/24", "168.63.129.16/32", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
"""What not every version of Python knows to be reserved, and metadata services in public ranges: Oracle's, Azure's."""
_V4_BITS = 0xFFFF_FFFF


def is_reachable(address: str, opened: Sequence[Network] = ()) -> bool:
    """Whether ``address`` is on the public Internet, or in a network that the operator has opened.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64) is judged by that one.

    Raises:
        ValueError: It is not an address.
    """
    meant = _meant(ip_address(address))
    return _is_public(meant) or any(meant in network for network in opened)


def _meant(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    address = IPv6Address(address.packed)  # without a zone, which no network has
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & _V4_BITS) if address in _NAT64 else address


def _is_public(address: Address) -> bool:
    if (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or any(address in some for some in _RESERVED)
    ):
        return False
    return address.version == 4 or address in _GLOBAL_V6  # noqa: PLR2004  the version's number
