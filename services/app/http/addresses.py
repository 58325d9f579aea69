"""Who a request comes from, for limits that cannot be dodged by a header."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias

from starlette.types import Scope

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

LOCAL = "local"
"""The address of a peer that has none: a unix socket, or a test's own transport."""
_ADDRESS_LENGTH_MAX = 64
"""An IPv6 address with the name of an interface has at most 61 characters. Callers must not fill the memory."""
_KEPT = 4096
"""Parsing an address takes ten times as long as finding it among those of the last clients."""


def socket_address(name: object) -> tuple[str, int] | None:
    """Host and port of an IP socket; None for a unix one."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


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
            host = _host(hop)
            if host is None:
                break
            peer = host
            if not _is_in(peer, trusted):
                break
    return peer.counted_as


def scheme_of(scope: Scope, trusted: Iterable[Network]) -> str:
    """``http`` or ``https``: how the client's request was sent, as far as a trusted proxy tells it.

    X-Forwarded-Proto counts only where the peer itself is trusted. Where several proxies have each added to it, the
    first says how the client came.
    """
    peer = _peer(scope)
    if peer is not None and _is_in(peer, tuple(trusted)):
        told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        if len(told) == 1 and told[0].partition(",")[0].strip().lower() == "https":
            return "https"
    return str(scope["scheme"])


def is_direct_from(scope: Scope, allowed: Iterable[Network]) -> bool:
    """Whether the peer itself is in ``allowed`` and speaks for nobody else."""
    peer = _peer(scope)
    return not _forwarded_for(scope) and (peer is None or _is_in(peer, tuple(allowed)))


class _Host(NamedTuple):
    address: Address
    counted_as: str


def _peer(scope: Scope) -> _Host | None:
    client = scope.get("client")
    return _host(client[0]) if client else None


def _host(text: str) -> _Host | None:
    text = text.strip()
    return _parsed(text) if len(text) <= _ADDRESS_LENGTH_MAX else None


@lru_cache(_KEPT)
def _parsed(text: str) -> _Host | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    # One household or server has a whole /64 (RFC 6177), so single addresses of it mean nothing.
    counted = str(address) if isinstance(address, IPv4Address) else str(ip_network((address, 64), strict=False))
    return _Host(address, counted)


def _forwarded_for(scope: Scope) -> list[str]:
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [hop for line in lines for hop in line.decode("latin-1").split(",") if hop.strip()]


def _is_in(host: _Host, among: tuple[Network, ...]) -> bool:
    address = host.address
    return any(address.version == network.version and address in network for network in among)
