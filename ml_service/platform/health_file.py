"""A file that is touched while all is well, for health checks of containers: its age tells, at no cost.

Starting a Python every few seconds to ask each worker how it is would cost more than what the worker does when idle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

EVERY_S = 3.0
"""Seconds between two touches; a check should allow for several."""


async def keep_health_file_fresh(file: Path | None, is_well: Callable[[], bool]) -> None:
    """Touch ``file`` as long as ``is_well()``; returns at once where there is none, else never.

    Raises:
        OSError: It cannot be written.
    """
    if file is None:
        return
    while True:
        if is_well():
            file.touch()  # noqa: ASYNC240  memory, in a container
        await asyncio.sleep(EVERY_S)
