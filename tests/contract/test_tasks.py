"""The queue contract: task messages."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue, TaskConsumer
from ml_service.messaging.rabbitmq.publishing import ConfirmedPublisher, Outgoing
from tests.support.broker import FAST, Broker, consuming, cut, drain, ids, task
from tests.support.waiting import PATIENCE_S, until

GATHER_MS = 20_000
"""Wait for all messages of a batch, however slow the machine: a full batch is returned at once."""


async def test_messages_come_in_order_and_in_batches(queue: Queue) -> None:
    messages = [task(3) for _ in range(10)]
    await queue.publish_tasks(messages)
    async with consuming(queue) as consumer:
        first = await consumer.get_batch(4, GATHER_MS)
        rest = await consumer.get_batch(6, GATHER_MS)
        assert ids(first + rest) == [one for message in messages for one in message.ids]
        assert len(first) == 4
        assert [delivery.redelivered for delivery in first + rest] == [False] * 10


async def test_a_batch_waits_for_more_only_as_long_as_it_is_told(queue: Queue) -> None:
    async with consuming(queue) as consumer:
        taking = asyncio.create_task(consumer.get_batch(100, 2000))
        loop = asyncio.get_running_loop()
        start = loop.time()
        for _ in range(3):
            await queue.publish_tasks([task()])
            await asyncio.sleep(0.05)
        taken = await taking
        assert loop.time() - start >= 2.0, "fewer than 100 came"
        assert 1 <= len(taken) <= 3  # those of two seconds
        await consumer.ack(taken)
        assert len(await drain(consumer, 3 - len(taken))) == 3 - len(taken)


async def test_waiting_for_the_first_ends_when_it_is_told(queue: Queue) -> None:
    async with consuming(queue) as consumer:
        assert await consumer.get_batch(10, 0, timeout_s=0.2) == []


@pytest.mark.parametrize("soon_after_another", [False, True])
async def test_a_message_wakes_a_waiting_consumer(broker: Broker, *, soon_after_another: bool) -> None:
    queue = await broker.queue(replace(FAST, poll_s=30))  # so that it is the message that wakes it
    await queue.declare()
    async with consuming(queue) as consumer:
        taking = asyncio.create_task(consumer.get_batch(10, 0, timeout_s=20))
        await asyncio.sleep(0.2)
        if soon_after_another:
            queue._notified_at = asyncio.get_running_loop().time()  # PostgreSQL's bound on notifications
        await queue.publish_tasks([task()])
        async with asyncio.timeout(15):
            assert len(await taking) == 1


async def test_an_acked_message_is_never_redelivered(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(20)])
    async with consuming(queue) as consumer:
        taken = await drain(consumer, 20)
    assert len(set(ids(taken))) == 20
    async with consuming(queue) as consumer:
        assert await consumer.get_batch(10, 0, timeout_s=0.4) == []


async def test_acks_out_of_order_ack_what_they_name_and_nothing_else(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(10)])
    async with consuming(queue) as consumer:
        batch = await consumer.get_batch(10, GATHER_MS)
        assert len(batch) == 10
        await consumer.ack([batch[7], batch[0], batch[1], batch[4]])
        await consumer.ack([batch[4]])  # twice is harmless
    async with consuming(queue) as consumer:
        left = await consumer.get_batch(6, GATHER_MS)
        assert ids(left) == ids([batch[2], batch[3], batch[5], batch[6], batch[8], batch[9]])
        assert await consumer.get_batch(1, 0, timeout_s=0.3) == []
        assert all(delivery.redelivered for delivery in left)


async def test_prefetch_bounds_what_one_consumer_holds(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(10)])
    async with consuming(queue, prefetch=4) as consumer:
        held = await consumer.get_batch(4, GATHER_MS)
        assert await consumer.get_batch(1, 0, timeout_s=0.3) == []
        await consumer.ack(held)
        assert len(await drain(consumer, 6)) == 6


async def test_a_cancelled_reader_loses_nothing(queue: Queue) -> None:
    async with consuming(queue) as consumer:
        for number in range(20):
            await queue.publish_tasks([task()])
            taking = asyncio.create_task(consumer.get_batch(100, 1000))
            await asyncio.sleep(number * 0.0003)
            taking.cancel()
            await asyncio.wait([taking])
        taken = await drain(consumer, 20)
    assert [delivery.redelivered for delivery in taken] == [False] * 20


async def test_a_leaving_consumers_messages_are_redelivered_to_another(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(5)])
    async with consuming(queue) as other:
        taken = await other.get_batch(5, GATHER_MS)
        async with consuming(queue) as consumer:
            await queue.publish_tasks([task() for _ in range(5)])
            await asyncio.sleep(0.1)
        await other.ack(taken)
        again = await drain(other, 5)
        assert len(again) == 5
        del consumer
    async with consuming(queue) as consumer:
        await queue.publish_tasks([task()])
        held = await consumer.get_batch(1, 0)
    async with consuming(queue) as consumer:
        (back,) = await consumer.get_batch(1, 0, timeout_s=20)
        assert back.message == held[0].message
        assert back.redelivered


async def test_a_killed_consumers_messages_are_redelivered_long_before_its_lease_ends(
    broker: Broker, queue: Queue
) -> None:
    await queue.publish_tasks([task() for _ in range(5)])
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.hold", broker.backend, broker.url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    line = b""
    while not line.strip().isdigit():  # its log lines come before
        line = await holder.stdout.readline()
    assert int(line) == 5
    async with consuming(queue) as consumer:
        holder.kill()
        back = await drain(consumer, 5, seconds=FAST.lease_s / 2)  # within about a second on an idle machine
        assert all(delivery.redelivered for delivery in back)
    await holder.communicate()


async def test_a_requeued_message_waits_before_it_is_redelivered(queue: Queue) -> None:
    await queue.publish_tasks([task(), task()])
    async with consuming(queue) as consumer:
        batch = await consumer.get_batch(2, GATHER_MS)
        loop = asyncio.get_running_loop()
        start = loop.time()
        await consumer.requeue(batch, begun=True)
        again = await consumer.get_batch(2, GATHER_MS)
        assert loop.time() - start > FAST.requeue_delay_s * 0.9
        assert sorted(ids(again)) == sorted(ids(batch))
        await consumer.ack(again)
    assert (await queue.depth("default")).ready == 0


@pytest.mark.parametrize("begun", [False, True])
async def test_a_requeued_message_is_marked_redelivered_once_a_consumer_has_begun_it(
    queue: Queue, *, begun: bool
) -> None:
    await queue.publish_tasks([task(), task()])
    async with consuming(queue) as consumer:
        batch = await consumer.get_batch(2, GATHER_MS)
        for begun_now, marked in ((False, False), (begun, begun), (False, begun)):
            await consumer.requeue(batch, begun=begun_now)
            batch = await consumer.get_batch(2, GATHER_MS)
            assert [delivery.redelivered for delivery in batch] == [marked] * 2
        await consumer.ack(batch)
    assert (await queue.depth("default")).ready == 0


async def test_a_message_that_was_passed_on_is_marked_once_a_later_consumer_is_lost(queue: Queue) -> None:
    await queue.publish_tasks([task()])
    async with consuming(queue) as consumer:
        batch = await consumer.get_batch(1, 0)
        await consumer.stop()
        await consumer.requeue(batch, begun=False)
    async with consuming(queue) as consumer:
        (passed_on,) = await consumer.get_batch(1, 0)
        assert not passed_on.redelivered, "the one that has left had not begun it"
        cut(consumer)
    async with consuming(queue) as consumer:
        (again,) = await drain(consumer, 1)
        assert again.redelivered


async def test_a_returned_message_reaches_a_consumer_that_polls_less_often(broker: Broker) -> None:
    queue = await broker.queue(replace(FAST, poll_s=2))
    await queue.declare()
    await queue.publish_tasks([task() for _ in range(3)])
    returned = 0
    async with consuming(queue) as unable, consuming(queue) as able:

        async def give_back() -> None:
            nonlocal returned
            while True:
                batch = await unable.get_batch(10, 0, timeout_s=0.01)
                returned += len(batch)
                await unable.requeue(batch, begun=False)

        giving = asyncio.create_task(give_back())
        await until(lambda: returned > 0)
        came = await drain(able, 3)
        giving.cancel()
    assert len(came) == 3
    # PostgreSQL lets others come first. RabbitMQ serves in turn: every second message that comes back is the other's.
    assert returned <= (3 if broker.backend == "postgres" else 3 + 3)


async def test_two_consumers_that_return_each_others_messages_come_to_an_end(queue: Queue) -> None:
    """They are served in turn, so that each may get what it has just returned: two workers with a version each."""
    done: dict[str, list] = {"1": [], "2": []}

    async def serve(consumer: TaskConsumer, version: str) -> None:
        while True:
            batch = await consumer.get_batch(10, 0)
            own = [one for one in batch if one.message.version == version]
            await consumer.requeue([one for one in batch if one.message.version != version], begun=False)
            await consumer.ack(own)
            done[version] += own

    async with consuming(queue) as first, consuming(queue) as second:
        serving = [asyncio.create_task(serve(first, "1")), asyncio.create_task(serve(second, "2"))]
        await queue.publish_tasks([replace(task(), version=version) for version in ("2", "1")])
        await until(lambda: done["1"] and done["2"])
        for one in serving:
            one.cancel()


@pytest.mark.parametrize("killed", [False, True])
async def test_a_delayed_message_survives_its_consumer(queue: Queue, *, killed: bool) -> None:
    await queue.publish_tasks([task()])
    async with consuming(queue) as consumer:
        await consumer.requeue(await consumer.get_batch(1, 0), begun=False)
        if killed:
            cut(consumer)
    async with consuming(queue) as consumer:
        assert len(await drain(consumer, 1)) == 1


async def test_a_message_returned_by_a_leaving_consumer_is_queued_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = ConfirmedPublisher.publish

    async def confirm_late(self: ConfirmedPublisher, messages: Sequence[Outgoing]) -> None:
        await publish(self, messages)
        await asyncio.sleep(0.5)

    await queue.publish_tasks([task()])
    async with consuming(queue) as consumer:
        batch = await consumer.get_batch(1, 500)
        monkeypatch.setattr(ConfirmedPublisher, "publish", confirm_late)
        await consumer.requeue(batch, begun=False)
        (again,) = await consumer.get_batch(1, 0)
        await consumer.ack([again])
    assert again.message == batch[0].message
    assert (await queue.depth("default")).ready == 0


async def test_two_consumers_share_the_work(broker: Broker, queue: Queue) -> None:
    other_queue = await broker.queue()
    async with consuming(queue, prefetch=5) as one, consuming(other_queue, prefetch=5) as other:
        await queue.publish_tasks([task() for _ in range(40)])
        seen: list = []
        shares = [0, 0]
        for _ in range(40):
            for number, consumer in enumerate((one, other)):
                batch = await consumer.get_batch(5, 0, timeout_s=0.3)
                await consumer.ack(batch)
                shares[number] += len(batch)
                seen += ids(batch)
            if len(seen) == 40:
                break
        assert len(seen) == len(set(seen)) == 40
        assert min(shares) >= 5


async def test_pools_have_queues_of_their_own(queue: Queue) -> None:
    await queue.publish_tasks([task(pool="gpu"), task()])
    async with consuming(queue, pools=("gpu",)) as consumer:
        (delivery,) = await drain(consumer, 1)
        assert delivery.message.pool == "gpu"
    async with consuming(queue, pools=("default", "gpu")) as consumer:
        await queue.publish_tasks([task(pool="gpu")])
        assert {delivery.message.pool for delivery in await drain(consumer, 2)} == {"default", "gpu"}


async def test_depth_counts_what_waits_and_who_consumes(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(7)])
    depth = await queue.depth("default")
    assert (depth.ready, depth.consumers, depth.exists) == (7, 0, True)
    async with consuming(queue, prefetch=3) as consumer:
        await consumer.get_batch(3, GATHER_MS)
        async with asyncio.timeout(20):
            while (depth := await queue.depth("default")).ready != 4:  # RabbitMQ's counts lag
                await asyncio.sleep(0.05)
        assert depth.consumers == 1
        assert depth.unacked in {3, None}


async def test_a_hundred_duplicates_are_delivered_and_harm_nobody(queue: Queue) -> None:
    message = task()
    await queue.publish_tasks([message] * 100)
    async with consuming(queue) as consumer:
        assert [delivery.message for delivery in await drain(consumer, 100)] == [message] * 100


async def test_a_burst_of_thousands_is_confirmed_and_delivered(queue: Queue) -> None:
    messages = [task() for _ in range(3000)]
    await queue.publish_tasks(messages)
    async with consuming(queue, prefetch=512) as consumer:
        assert set(ids(await drain(consumer, 3000))) == {message.ids[0] for message in messages}


async def test_concurrent_publishers_of_one_process_do_not_mix(queue: Queue) -> None:
    bursts = [[task() for _ in range(50)] for _ in range(20)]
    await asyncio.gather(*[queue.publish_tasks(burst) for burst in bursts])
    async with consuming(queue) as consumer:
        assert set(ids(await drain(consumer, 1000))) == {m.ids[0] for burst in bursts for m in burst}


async def test_a_consumer_that_stops_gives_back_what_it_has_not_handed_out(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(6)])
    async with consuming(queue) as consumer:
        held = await consumer.get_batch(2, 0)
        await consumer.stop()
        async with consuming(queue) as other:
            given_back = await drain(other, 4 if len(held) == 2 else 5)
            assert len(given_back) >= 4
            assert not any(delivery.redelivered for delivery in given_back), "nobody has begun them"
        await queue.publish_tasks([task()])
        assert await consumer.get_batch(1, 0, timeout_s=0.3) == []
        await consumer.ack(held)
    assert (await queue.depth("default")).ready == 1


async def test_what_a_stopping_consumer_has_handed_to_nobody_comes_unmarked(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(3)])
    async with consuming(queue) as consumer:
        taking = asyncio.create_task(consumer.get_batch(100, GATHER_MS))
        await asyncio.sleep(0.5)
        taking.cancel()
        await asyncio.wait([taking])
        await consumer.stop()
        async with consuming(queue) as other:
            assert [delivery.redelivered for delivery in await drain(other, 3)] == [False] * 3


async def test_a_message_that_kills_its_consumers_is_dead_in_the_end(broker: Broker) -> None:
    queue = await broker.queue(replace(FAST, deliveries_max=2))
    await queue.declare()
    await queue.publish_tasks([task()])
    async with asyncio.timeout(60):
        while await queue.count_dead() == 0:
            async with consuming(queue) as consumer:
                if await consumer.get_batch(1, 0, timeout_s=1.5):
                    cut(consumer)
    assert await queue.count_dead() == 1
    assert (await queue.depth("default")).ready == 0


async def test_a_consumer_asks_for_more_small_messages_and_for_fewer_large_ones(queue: Queue) -> None:
    small, large = 300, 60
    await queue.publish_tasks([task() for _ in range(small)])
    await queue.publish_tasks([task(64) for _ in range(large)])
    prefetch = Prefetch(ids_max=64, ids_per_message=64)
    most = 0
    taken: list = []
    async with queue.consume_tasks(["default"], prefetch) as consumer, asyncio.timeout(PATIENCE_S):
        while len(taken) < small + large:
            batch = await consumer.get_batch(512, 30)
            if len(taken) < small:
                most = max(most, len(batch))
            taken += batch
            await consumer.ack(batch)
            await asyncio.sleep(0.02)
        assert most > 16, "small messages come a few at a time"
        await asyncio.sleep(1)  # it changes its mind a few times in a second at the most
        await queue.publish_tasks([task(64) for _ in range(20)])
        await asyncio.sleep(0.3)
        held = await consumer.get_batch(512, 300)
        assert len(held) <= 4, "large messages come in heaps"
        await consumer.ack(held)
    assert len(set(ids(taken))) == len(ids(taken)) == small + 64 * large
