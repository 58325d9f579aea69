"""Where messages to webhooks are sent, and where they are not: checked when the connection is made."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from ml_service.background.webhook_sender import WebhookSender
from ml_service.domain.webhooks import Secret, Sent, new_secret
from tests.support.dns import Names
from tests.support.receiver import HookReceiver

LOCAL = (ip_network("127.0.0.0/8"),)
SECRET = Secret(new_secret())


@asynccontextmanager
async def sending(networks: Any = (), names: Names | None = None) -> AsyncIterator[WebhookSender]:
    dns = None
    if names is not None:
        host, _, port = names.server.partition(":")
        dns = {"nameservers": [host], "udp_port": int(port), "tcp_port": int(port)}
    sender = WebhookSender(networks, dns)
    await sender.start()
    try:
        yield sender
    finally:
        await sender.close()


async def send(sender: WebhookSender, url: str) -> Sent:
    async with asyncio.timeout(10):
        return await sender.send(url, "msg_1", b"{}", SECRET)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"),
        *("[64:ff9b::7f00:1]", "[::ffff:7f00:1]", "[::]"),
    ],
)
async def test_a_listener_on_this_machine_sees_no_connection(host: str) -> None:
    accepted = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        writer.close()

    servers = [await asyncio.start_server(accept, "127.0.0.1", 0)]
    port = servers[0].sockets[0].getsockname()[1]
    if socket.has_ipv6:
        servers.append(await asyncio.start_server(accept, "::1", port))
    async with sending() as sender:
        sent = await send(sender, f"http://{host}:{port}/")
    assert sent.status is None
    assert sent.failure is not None
    assert any(why in str(sent.failure) for why in ("private or reserved", "could not be resolved", "not a URL"))
    assert accepted == []
    for server in servers:
        server.close()


@pytest.mark.parametrize("host", ["10.255.255.1", "169.254.169.254", "192.168.77.1", "100.64.0.1", "[fd00:ec2::254]"])
async def test_a_private_address_is_refused_before_it_is_connected_to(host: str) -> None:
    async with sending() as sender:
        sent = await send(sender, f"http://{host}/")
    assert str(sent.failure) == "It leads to a private or reserved address, which is not connected to."


async def test_a_name_that_changes_to_a_private_address_is_refused_when_it_does() -> None:
    names = Names("127.0.0.1", ttl_s=0)
    with names.answering():
        async with HookReceiver().listening() as receiver, sending(LOCAL, names) as sender:
            url = f"http://app:{receiver.port}/ok"
            assert (await send(sender, url)).failure is None
            names.addresses = ("10.0.0.1",)
            assert "private or reserved" in str((await send(sender, url)).failure)
            names.addresses = ("127.0.0.1", "10.0.0.1")  # one of several is enough
            assert "private or reserved" in str((await send(sender, url)).failure)
            names.addresses = ()
            assert str((await send(sender, url)).failure) == "Its name could not be resolved."
            assert len(receiver.received) == 1
            assert receiver.received[0].headers["host"] == f"app:{receiver.port}"


async def test_the_connection_itself_is_checked_and_not_only_the_name() -> None:
    """A resolver that lies: what it says is checked again where the socket is opened."""
    async with HookReceiver().listening() as receiver, sending() as sender:
        assert sender._session is not None
        resolver: Any = sender._session.connector._resolver  # type: ignore[union-attr]

        async def resolve(host: str, port: int = 0, family: Any = None) -> list[dict[str, Any]]:
            assert family is not None
            found = {"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET}
            return [found | {"proto": 0, "flags": 0}]

        resolver.resolve = resolve
        assert "private or reserved" in str((await send(sender, f"http://example.com:{receiver.port}/")).failure)
        assert receiver.received == []


async def test_the_network_that_was_opened_is_connected_to_and_no_other() -> None:
    async with HookReceiver().listening() as receiver:
        async with sending(LOCAL) as sender:
            assert (await send(sender, f"{receiver.url}/ok")).failure is None
        async with sending((ip_network("127.1.0.0/16"),)) as sender:
            assert (await send(sender, f"{receiver.url}/ok")).failure is not None


async def test_a_redirect_is_not_followed() -> None:
    async with HookReceiver().listening() as receiver, sending(LOCAL) as sender:
        sent = await send(sender, f"{receiver.url}/redirect")
        assert (sent.status, str(sent.failure)) == (
            307,
            f"It redirects to {receiver.url}/ok; redirects are not followed.",
        )
        assert [one.path for one in receiver.received] == ["/redirect"]


async def test_a_certificate_that_nobody_trusts_is_refused() -> None:
    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with sending(LOCAL) as sender:
        sent = await send(sender, f"https://127.0.0.1:{port}/")
    assert sent.status is None
    assert sent.failure is not None
    server.close()


async def test_a_receiver_that_is_down_or_speaks_no_http_is_reported() -> None:
    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with sending(LOCAL) as sender:
        assert str((await send(sender, f"http://127.0.0.1:{port}/")).failure) == (
            "Its answer could not be read: ClientResponseError."
        )
        server.close()
        await server.wait_closed()
        assert str((await send(sender, f"http://127.0.0.1:{port}/")).failure) == "It cannot be connected to."
