"""A private RabbitMQ node: on loopback, with users of its own, back after a kill, and gone with its epmd."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aio_pika
import psutil
import pytest

from engine.native import rabbitmq
from engine.native.rabbitmq import RabbitNode
from tests.support.nodes import skip_or_fail

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _needs() -> None:
    if not rabbitmq.available():
        skip_or_fail("needs RabbitMQ: apt install rabbitmq-server")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    node = RabbitNode(tmp_path_factory.mktemp("rabbit"), guest=True)
    node.start()
    yield node
    node.close()


async def depth(url: str, *, publish: int = 0) -> int:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        for _ in range(publish):
            message = aio_pika.Message(b"x", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, queue.name)
        passive = await channel.declare_queue("kept", passive=True)
        return passive.declaration_result.message_count or 0


@pytest.mark.usefixtures("node")
async def test_it_listens_on_loopback_only() -> None:
    processes = psutil.Process().children(recursive=True)
    listening = [
        connection.laddr.ip
        for process in processes
        if process.name() in ("beam.smp", "epmd")
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert set(listening) <= {"127.0.0.1", "::1"}


async def test_its_own_user_and_the_demo_guest_get_in_and_nobody_else(node: RabbitNode) -> None:
    assert await depth(node.amqp_url) >= 0
    assert await depth(f"amqp://guest:guest@127.0.0.1:{node.port}/") >= 0
    with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
        await depth(f"amqp://{node.user}:wrong@127.0.0.1:{node.port}/")
    assert "guest" in node.ctl("list_users")


async def test_confirmed_messages_survive_a_kill_and_the_address_stays(node: RabbitNode) -> None:
    before = await depth(node.amqp_url, publish=3)
    # RabbitMQ writes a new quorum queue's registration half a second after it is declared.
    await asyncio.sleep(1.5)
    url = node.amqp_url
    node.kill()
    node.start()
    assert node.amqp_url == url
    async with asyncio.timeout(20):  # the queue elects its leader after the node takes connections
        while await depth(url) != before:
            await asyncio.sleep(0.2)


def test_a_stop_leaves_no_process_and_a_start_without_guest_makes_none(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    node = RabbitNode(tmp_path_factory.mktemp("second"))
    node.start()
    processes = [process for process in psutil.Process().children(recursive=True) if node.folder.name in process.cwd()]
    assert len(processes) >= 2
    assert "guest" not in node.ctl("list_users")
    node.close()
    assert psutil.wait_procs(processes, timeout=5)[1] == []
