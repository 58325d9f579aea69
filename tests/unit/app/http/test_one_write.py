"""Answers of one turn of the event loop are sent together, at its end; nothing is lost or held."""

from __future__ import annotations

import asyncio

from services.app.http.one_write import AT_ONCE_BYTES, OneWrite
from tests.support.http_wire import Recorder


async def test_what_is_written_in_one_turn_is_sent_at_its_end() -> None:
    wires = [Recorder(), Recorder()]
    seen: list[bytes] = []

    async def answer(number: int) -> None:
        out = OneWrite(wires[number])
        out.write(b"a")
        out.write(b"b")
        assert out.get_write_buffer_size() == 2
        seen.extend(wire.written for wire in wires)

    await asyncio.gather(answer(0), answer(1))
    assert seen == [b""] * 4
    await asyncio.sleep(0)
    assert [wire.written for wire in wires] == [b"ab", b"ab"]


async def test_what_is_large_is_sent_at_once_and_in_order() -> None:
    wire = Recorder()
    out = OneWrite(wire)
    out.write(b"a")
    out.write(b"b" * AT_ONCE_BYTES)
    assert wire.written == b"a" + b"b" * AT_ONCE_BYTES
    assert out.get_write_buffer_size() == 0
    out.write(b"c")
    await asyncio.sleep(0)
    assert wire.written.endswith(b"bc")


async def test_an_end_comes_after_what_was_written() -> None:
    for end in (OneWrite.write_eof, OneWrite.close, OneWrite.abort):
        wire = Recorder()
        out = OneWrite(wire)
        out.write(b"last")
        end(out)
        assert (wire.written, wire.has_ended) == (b"last", True)
        await asyncio.sleep(0)


async def test_to_a_client_that_has_gone_nothing_is_written() -> None:
    wire = Recorder()
    out = OneWrite(wire)
    out.write(b"late")
    wire.close()
    await asyncio.sleep(0)
    assert wire.written == b""
