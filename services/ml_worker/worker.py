"""The ML worker: takes tasks from the queue in batches, runs the models, stores and announces the answers."""

from __future__ import annotations

import asyncio
import os

import uvloop

from ml_service.platform.gc_tuning import tune_gc
from ml_service.platform.hidden_process import hide_process
from ml_service.platform.logs import set_up_logs
from ml_service.platform.metrics import share_metrics
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import read_settings
from services.ml_worker.wiring import run


def main() -> None:
    """Run until SIGTERM or SIGINT; what has begun is finished first."""
    hide_process()
    settings = read_settings(WorkerSettings)
    os.environ.update(settings.model_variables)
    set_up_logs("ml-worker", level=settings.log_level, style=settings.log_format)
    share_metrics()
    tune_gc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()
