"""What an answer costs in system calls."""

from __future__ import annotations

import asyncio

from services.app.protocol import OneWrite


class Recorder(asyncio.Transport):
    """Notes each write, and its end."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4)})
        self.seen: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.seen.append(bytes(data))

    def close(self) -> None:
        self.seen.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.seen


async def test_what_is_written_in_one_turn_is_sent_at_once() -> None:
    recorder = Recorder()
    transport = OneWrite(recorder)
    transport.write(b"head ")
    transport.write(b"body")
    assert recorder.seen == []
    await asyncio.sleep(0)
    assert recorder.seen == [b"head body"]
    transport.write(b"next")
    await asyncio.sleep(0)
    assert recorder.seen == [b"head body", b"next"]


async def test_what_was_written_before_the_end_is_sent_before_it() -> None:
    recorder = Recorder()
    transport = OneWrite(recorder)
    transport.write(b"last words")
    transport.close()
    await asyncio.sleep(0)
    assert recorder.seen == [b"last words", "closed"]


async def test_to_a_client_that_has_gone_nothing_is_sent() -> None:
    recorder = Recorder()
    OneWrite(recorder).write(b"too late")
    recorder.close()
    await asyncio.sleep(0)
    assert recorder.seen == ["closed"]


async def test_all_else_is_the_transports_own() -> None:
    assert OneWrite(Recorder()).get_extra_info("peername") == ("192.0.2.1", 4)
