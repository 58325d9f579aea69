"""Deleting from the outbox what the queue has confirmed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from ml_service.storage import outbox
from ml_service.storage.database import Session
from ml_service.storage.outbox import OutboxEntry
from tests.support.play import Play

_FILL = """
    INSERT INTO outbox (prediction_id, user_id, pool, model, version, bulk)
    SELECT gen_random_uuid(), $1, 'default', 'echo', '1', true FROM generate_series(1, $2)
"""
ROWS = 5_000
BURST = 500


async def fill(session: Session, user_id: UUID, rows: int) -> list[OutboxEntry]:
    await session.execute(_FILL, user_id, rows)
    return await outbox.next_bulk(session, "default", rows)


async def outbox_rows_read(session: Session) -> int:
    """Rows of the outbox that this session's transaction has read so far, index or not."""
    return int(
        await session.fetchval(
            """
            SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables
            WHERE relname = 'outbox'
            """
        )
    )


@pytest.mark.parametrize("statistics", ["ANALYZE outbox", "VACUUM (ANALYZE) outbox"])
async def test_a_burst_is_looked_up_by_its_ids_though_the_outbox_was_empty_when_it_was_analyzed(
    play: Play, statistics: str
) -> None:
    async with play.database.autocommit() as session:
        await outbox.delete(session, await fill(session, uuid4(), ROWS))
        await session.execute(statistics)
        for _ in range(8):  # from the sixth call on one plan serves all
            await outbox.delete(session, [OutboxEntry(uuid4(), "default", "echo", "1", datetime.now(UTC))])
        entries = await fill(session, uuid4(), ROWS)
        async with session.transaction():
            before = await outbox_rows_read(session)
            await outbox.delete(session, entries[:BURST])
            assert await outbox_rows_read(session) - before <= 2 * BURST
        assert await outbox.count(session, ROWS) == ROWS - BURST


async def test_a_row_that_was_written_again_since_it_was_read_stays(play: Play) -> None:
    async with play.database.autocommit() as session:
        first, second = await fill(session, uuid4(), 2)
        as_read_before = [one._replace(send_after=one.send_after - timedelta(seconds=1)) for one in (first, second)]
        # One of them was read again, with the time that the other has now.
        await outbox.delete(session, [as_read_before[0], second])
        assert [one.id for one in await outbox.next_bulk(session, "default", 10)] == [first.id]
