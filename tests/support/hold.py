"""A consumer that takes what is there, says so, and holds it until it is killed: `python hold.py backend url`."""

from __future__ import annotations

import asyncio
import sys

from ml_service.messaging.prefetch import Prefetch
from tests.support.broker import Broker


async def main(backend: str, url: str) -> None:
    """Hold everything."""
    queue = await Broker(backend, url, node=None).queue()  # type: ignore[arg-type]
    async with queue.consume_tasks(["default"], Prefetch(100, 1)) as consumer:
        batch = await consumer.get_batch(100, 300)
        sys.stdout.write(f"{len(batch)}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
