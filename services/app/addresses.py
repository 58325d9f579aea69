"""Who a request comes from, for limits that cannot be dodged by a header."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from starlette.types import Scope

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

LOCAL = "local"
"""The address of a peer that has none: a unix socket, or a test's own transport."""


def networks(text: str) -> tuple[Network, ...]:
    """Networks and addresses, separated by commas; raises ValueError for anything else."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def client_of(scope: Scope, trusted: Iterable[Network]) -> str:
    """The address that limits count by: an IPv4 address, the /64 of an IPv6 one, or LOCAL.

    X-Forwarded-For is read from the right, only as long as the hop that wrote it is trusted: whatever the client
    itself has put there stands to the left of what the nearest trusted proxy wrote.
    """
    peer = _peer(scope)
    if peer is None:
        return LOCAL
    trusted = tuple(trusted)
    if trusted and _is_in(peer, trusted):
        for hop in reversed(_forwarded_for(scope)):
            address = _address(hop)
            if address is None:
                break
            peer = address
            if not _is_in(peer, trusted):
                break
    # One household or server has a whole /64 (RFC 6177), so single addresses of it mean nothing.
    return str(peer) if isinstance(peer, IPv4Address) else str(ip_network((peer, 64), strict=False))


def is_direct_from(scope: Scope, allowed: Iterable[Network]) -> bool:
    """Whether the peer itself is in ``allowed`` and speaks for nobody else."""
    peer = _peer(scope)
    return not _forwarded_for(scope) and (peer is None or _is_in(peer, tuple(allowed)))


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return _address(client[0]) if client else None


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _forwarded_for(scope: Scope) -> list[str]:
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [hop for line in lines for hop in line.decode("latin-1").split(",") if hop.strip()]


def _is_in(address: Address, among: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in among)
