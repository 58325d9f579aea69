"""Inspecting and emptying the broker."""

from __future__ import annotations

import asyncio
import time

import aio_pika
import aiormq
from aio_pika.exceptions import ChannelNotFoundEntity

from benchmarks.place import BenchmarkFailed

QUEUES = (
    "ml_tasks",
    "ml_tasks.dead",
    "ml_tasks.created",
    "ml_results",
    "bench_tasks",
    "bench_tasks.DQ",
    "bench_tasks.XQ",
    "bench_results",
    "bench_results.DQ",
    "bench_results.XQ",
)
"""Every queue that the service or a peer declares."""


async def delete_queues(amqp_url: str) -> None:
    """Delete all queues, so that each run starts empty."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        for name in QUEUES:
            await channel.queue_delete(name)


async def depth(amqp_url: str, queue: str) -> tuple[int, int]:
    """Ready messages and consumers; zeros for a missing queue."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        try:
            found = await channel.declare_queue(queue, passive=True)
        except ChannelNotFoundEntity:
            return 0, 0
        result = found.declaration_result
        return result.message_count or 0, result.consumer_count or 0


async def until(amqp_url: str, queue: str, *, messages: int = 0, consumers: int = 0, timeout_s: float = 60.0) -> None:
    """Wait until the queue has so many messages and consumers; raises BenchmarkFailed."""
    end = time.monotonic() + timeout_s
    while True:
        seen = await depth(amqp_url, queue)
        if seen[0] >= messages and seen[1] >= consumers:
            return
        if time.monotonic() > end:
            raise BenchmarkFailed(f"{queue} has {seen} messages and consumers, not {(messages, consumers)}")
        await asyncio.sleep(0.1)


async def version(amqp_url: str) -> str:
    """The RabbitMQ version, from the server properties."""
    connection = await aiormq.connect(amqp_url)
    try:
        return str(connection.server_properties.get("version", b"?"))
    finally:
        await connection.close()
