"""The AMQP client against a peer that speaks raw frames: every answer and every fault ends within its time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pamqp.frame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import base, commands

from ml_service.messaging.rabbitmq.client.channel import CONTENT_BYTES_MAX, AmqpError, Channel, Content
from ml_service.messaging.rabbitmq.client.connection import open_connection
from ml_service.messaging.rabbitmq.client.frames import FRAME_BODY, FRAME_BYTES_MAX, FRAME_END, FRAME_HEAD, HEARTBEAT
from tests.support.raw_broker import (
    GREETING_BYTES,
    RawBroker,
    Script,
    body,
    connected,
    content_header,
    deliver,
    message,
    method,
    raw_broker,
)

GET = commands.Basic.Get(queue="ml_tasks")
DECLARE = commands.Queue.Declare(queue="ml_tasks", passive=True)
OVERSIZED_HEAD = FRAME_HEAD.pack(FRAME_BODY, 1, FRAME_BYTES_MAX)

BREACHES: dict[str, bytes] = {
    "a header that no method announced": content_header(3),
    "a body that no header announced": body(b"abc"),
    "a body right after its method": deliver() + body(b"abc"),
    "two headers": deliver() + content_header(3) + content_header(3),
    "a method between header and body": deliver() + content_header(3) + deliver(2),
    "an ack between method and header": deliver() + method(commands.Basic.Ack(1)),
    "more body than announced": deliver() + content_header(3) + body(b"abcd"),
    "more body than announced, in parts": deliver() + content_header(3) + body(b"ab") + body(b"cd"),
    "a body after an empty message": deliver() + content_header(0) + body(b""),
    "the answer to another request": method(commands.Queue.BindOk()),
    "a frame that is too big": OVERSIZED_HEAD,
    "a frame without its end mark": FRAME_HEAD.pack(FRAME_BODY, 1, 1) + b"xx",
    "an unknown kind of frame": FRAME_HEAD.pack(7, 1, 0) + FRAME_END,
    "an unknown method": FRAME_HEAD.pack(1, 1, 4) + b"\x00\x99\x00\x99" + FRAME_END,
    "an empty method frame": FRAME_HEAD.pack(1, 1, 0) + FRAME_END,
    "a cut argument": FRAME_HEAD.pack(1, 1, 5) + b"\x00\x3c\x00\x3c\xff" + FRAME_END,
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


async def served(broker: RawBroker) -> None:
    """Log in, and open one channel."""
    await broker.greet()
    await broker.next(commands.Channel.Open)
    await broker.send(method(commands.Channel.OpenOk()))


def then(after: Callable[[RawBroker], Coroutine[Any, Any, None]]) -> Script:
    """A script that serves a channel, does ``after``, and waits for the client to leave."""

    async def script(broker: RawBroker) -> None:
        await served(broker)
        await after(broker)
        await broker.until_closed()

    return script


def answers(request: type[base.Frame], *data: bytes, step: int | None = None) -> Script:
    """A script that sends ``data`` when it is asked ``request``."""

    async def after(broker: RawBroker) -> None:
        await broker.next(request)
        with contextlib.suppress(ConnectionError):  # the client may have left before the last byte
            await broker.send(*data, step=step)

    return then(after)


def collecting(channel: Channel) -> list[bytes]:
    """The bodies that are delivered on ``channel``, as they come."""
    bodies: list[bytes] = []
    channel.on_delivery = lambda content: bodies.append(content.body)
    return bodies


@pytest.mark.parametrize("step", [1, 2, 7, 8, None])
async def test_answers_and_deliveries_are_read_however_they_are_split(step: int | None) -> None:
    texts = [b"", b"x", b"y" * 2500]

    async def script(broker: RawBroker) -> None:
        await broker.greet(step=step)
        await broker.next(commands.Channel.Open)
        await broker.send(HEARTBEAT, method(commands.Channel.OpenOk()), HEARTBEAT, step=step)
        await broker.next(commands.Basic.Consume)
        frames = [frame for tag, text in enumerate(texts, 1) for frame in (HEARTBEAT, *message(text, tag))]
        await broker.send(method(commands.Basic.ConsumeOk("consumer")), *frames, step=step)  # it ends with a text's end
        await broker.until_closed()

    async with connected(script) as connection:
        channel = await connection.open_channel()
        bodies = collecting(channel)
        await channel.call(commands.Basic.Consume(queue="ml_tasks", consumer_tag="consumer"))
        async with asyncio.timeout(10):
            while len(bodies) < len(texts):
                await asyncio.sleep(0.01)
    assert texts == bodies


async def test_heartbeats_and_other_channels_may_come_between_the_parts_of_a_message() -> None:
    head, announced, first, second = message(b"abcdef", part_bytes=3)
    stray = body(b"of a channel that is not open", channel=9)
    answer = answers(commands.Queue.Declare, head, HEARTBEAT, announced, stray, first, HEARTBEAT, second, stray)

    async with connected(answer) as connection:
        channel = await connection.open_channel()
        bodies = collecting(channel)
        asking = asyncio.create_task(channel.call(DECLARE, 0.5))
        with pytest.raises(TimeoutError):
            await asking
    assert bodies == [b"abcdef"]


@pytest.mark.parametrize("breach", BREACHES)
async def test_a_broken_protocol_ends_the_connection_and_the_waiting_call(breach: str) -> None:
    left = asyncio.Event()

    async def after(broker: RawBroker) -> None:
        await broker.next(commands.Queue.Declare)
        await broker.send(BREACHES[breach])
        await broker.until_closed()
        left.set()

    async with connected(then(after)) as connection:
        channel = await connection.open_channel()
        with pytest.raises(AmqpError, match="broke the protocol"):
            await channel.call(DECLARE, 5)
        assert connection.error is not None
        assert channel.error is connection.error
        with pytest.raises(AmqpError):
            await connection.open_channel()
        async with asyncio.timeout(5):
            await left.wait()


@pytest.mark.parametrize("step", [1, 3, None])
async def test_a_peer_that_hangs_up_in_the_middle_of_a_frame_ends_the_waiting_call(step: int | None) -> None:
    async def script(broker: RawBroker) -> None:
        await served(broker)
        await broker.next(commands.Basic.Get)
        await broker.send(method(commands.Basic.GetOk(1, False, "", "ml_tasks", 0))[:-3], step=step)  # noqa: FBT003

    async with connected(script) as connection:
        channel = await connection.open_channel()
        with pytest.raises(AmqpError, match="the connection was lost"):
            await channel.call(GET, 5)


async def test_a_call_without_an_answer_ends_in_time_and_takes_its_connection_along() -> None:
    async with connected(then(RawBroker.until_closed)) as connection:
        channel, loop = await connection.open_channel(), asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(TimeoutError):
            await channel.call(GET, 0.3)
        await channel.close()
        await connection.close()
        assert loop.time() - start < 10
        assert str(connection.error) == "a request was given up"


async def test_a_cancelled_call_takes_its_connection_along() -> None:
    async with connected(then(RawBroker.until_closed)) as connection:
        channel = await connection.open_channel()
        asking = asyncio.create_task(channel.call(GET))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait([asking])
        assert connection.error is not None


async def test_a_silent_peer_is_noticed_by_its_heartbeats() -> None:
    async with connected(then(RawBroker.until_closed), heartbeat_s=1) as connection:
        channel = await connection.open_channel()
        lost = asyncio.get_running_loop().create_future()
        channel.on_lost = lost.set_result
        async with asyncio.timeout(10):
            assert "silent for 2 s" in str(await lost)


async def test_a_long_body_is_cut_and_the_next_message_is_whole() -> None:
    part = body(b"z" * 100_000)
    many = 40
    answer = answers(
        commands.Basic.Consume,
        method(commands.Basic.ConsumeOk("consumer")),
        *(deliver(), content_header(many * 100_000), part * many),
        *message(b"next", 2),
    )
    async with connected(answer) as connection:
        channel = await connection.open_channel()
        bodies = collecting(channel)
        await channel.call(commands.Basic.Consume(queue="ml_tasks", consumer_tag="consumer"))
        async with asyncio.timeout(10):
            while len(bodies) < 2:
                await asyncio.sleep(0.01)
    assert CONTENT_BYTES_MAX <= len(bodies[0]) < CONTENT_BYTES_MAX + FRAME_BYTES_MAX
    assert bodies[1] == b"next"


async def test_both_ends_may_close_a_channel_at_once_and_its_number_is_used_again() -> None:
    async def after(broker: RawBroker) -> None:
        await broker.next(commands.Channel.Close)
        await broker.send(method(commands.Channel.Close(404, "not found", 0, 0)))
        await broker.next(commands.Channel.CloseOk)
        await broker.next(commands.Channel.Open)
        await broker.send(method(commands.Channel.CloseOk()), method(commands.Channel.OpenOk()))
        await broker.next(commands.Basic.Get)
        await broker.send(method(commands.Basic.GetEmpty("")))

    async with connected(then(after)) as connection:
        first = await connection.open_channel()
        await first.close()
        second = await connection.open_channel()
        assert second.number == first.number
        assert isinstance(await second.call(GET), commands.Basic.GetEmpty)


async def test_a_channel_that_the_broker_closes_tells_its_code_and_leaves_the_others() -> None:
    async def after(broker: RawBroker) -> None:
        await broker.next(commands.Channel.Open)
        await broker.send(method(commands.Channel.OpenOk(), 2))
        await broker.next(commands.Queue.Declare)
        await broker.send(method(commands.Channel.Close(404, "no queue", 50, 10)))
        await broker.next(commands.Basic.Get)
        await broker.send(method(commands.Basic.GetEmpty(""), 2))

    async with connected(then(after)) as connection:
        first, second = await connection.open_channel(), await connection.open_channel()
        with pytest.raises(AmqpError, match="no queue") as caught:
            await first.call(DECLARE)
        assert caught.value.code == 404
        assert isinstance(await second.call(GET), commands.Basic.GetEmpty)


async def test_the_broker_that_closes_the_connection_gives_its_reason_and_is_answered() -> None:
    async def after(broker: RawBroker) -> None:
        await broker.next(commands.Basic.Get)
        await broker.send(method(commands.Connection.Close(320, "shutdown", 0, 0), 0))
        await broker.next(commands.Connection.CloseOk)

    async with connected(then(after)) as connection:
        channel = await connection.open_channel()
        with pytest.raises(AmqpError, match="shutdown") as caught:
            await channel.call(GET)
        assert caught.value.code == 320


START = method(commands.Connection.Start(0, 9, {}), 0)
REFUSAL = method(commands.Connection.Close(403, "ACCESS_REFUSED", 10, 11), 0)

GREETINGS: dict[str, tuple[list[bytes], type[Exception], str]] = {
    "nothing": ([], TimeoutError, "^$"),
    "another version of the protocol": ([b"AMQP\x00\x01\x00\x00"], AmqpError, "unknown frame kind 65"),
    "a web server": ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], AmqpError, "unknown frame kind 72"),
    "a refusal": ([REFUSAL], AmqpError, "ACCESS_REFUSED"),
    "another method": ([method(commands.Connection.OpenOk(), 0)], AmqpError, "broke the protocol"),
    "a greeting and a refused login": ([START, REFUSAL], AmqpError, "ACCESS_REFUSED"),
    "a question instead of a login": (
        [START, method(commands.Connection.Secure("?"), 0)],
        AmqpError,
        "did not accept the login",
    ),
    "frames that are too small": (
        [START, method(commands.Connection.Tune(10, 64, 10), 0)],
        AmqpError,
        "frames are too small: 64 bytes",
    ),
}


@pytest.mark.parametrize("greeting", GREETINGS)
async def test_a_broker_that_does_not_log_us_in_is_an_error_within_the_time_limit(greeting: str) -> None:
    frames, error, reason = GREETINGS[greeting]

    async def script(broker: RawBroker) -> None:
        await broker.reader.readexactly(GREETING_BYTES)
        for frame in frames:
            await broker.send(frame)
            await asyncio.sleep(0.05)
        await broker.until_closed()

    loop = asyncio.get_running_loop()
    async with raw_broker(script) as url:
        start = loop.time()
        with pytest.raises(error, match=reason):
            await open_connection(url, name="test", timeout_s=2)
        assert loop.time() - start < 10


frames = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([deliver(), content_header(0), content_header(5), body(b"hello"), HEARTBEAT, *BREACHES.values()]),
    st.builds(lambda kind, number, payload: FRAME_HEAD.pack(kind, number, len(payload)) + payload + FRAME_END,
              st.sampled_from([1, 2, 3, 8]), st.sampled_from([0, 1, 2]), st.binary(max_size=40)),
)  # fmt: skip


@given(st.lists(frames, max_size=12), st.sampled_from([None, 1, 5]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_peer_sends_the_call_ends_and_no_error_escapes(sent: list[bytes], step: int | None) -> None:
    escaped: list[dict[str, Any]] = []

    async def check() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(context))
        contents: list[Content] = []
        async with connected(answers(commands.Basic.Get, *sent, step=step)) as connection:
            channel = await connection.open_channel()
            channel.on_delivery = contents.append
            with contextlib.suppress(AmqpError, TimeoutError):
                await channel.call(GET, 0.05)
            await connection.close(0.5)
            assert connection.error is not None
        assert all(len(content.body) <= CONTENT_BYTES_MAX for content in contents)

    asyncio.run(check())
    assert escaped == []


def test_the_frames_of_the_raw_broker_are_those_of_the_standard() -> None:
    text = b"".join(message(b"hello"))
    kinds = []
    while text:
        size, channel, value = pamqp.frame.unmarshal(text)
        text = text[size:]
        kinds.append((channel, value.name))
    assert kinds == [(1, "Basic.Deliver"), (1, "ContentHeader"), (1, "ContentBody")]
