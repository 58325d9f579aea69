"""The ML worker: takes tasks from the queue in batches, runs the models, stores and announces the answers."""

from __future__ import annotations

import asyncio

import uvloop

from ml_service.garbage import seldom_collect
from ml_service.logs import set_up_logs
from ml_service.settings import read_settings
from services.ml_worker.service import run


def main() -> None:
    """Run until SIGTERM or SIGINT; what has begun is finished first."""
    settings = read_settings("ml_worker")
    set_up_logs("ml-worker", level=settings.log_level, style=settings.log_format)
    seldom_collect()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()
