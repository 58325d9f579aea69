"""Prometheus metrics that the processes of one host share: whichever of them is asked answers for all.

The native engine gives each process a folder (the library's own PROMETHEUS_MULTIPROC_DIR) and a name in it
(METRICS_PROCESS). The values are in files named after the process, not after its id: a process that is started again
goes on counting where the last one stopped, so that no sum ever falls and no file is left over. Without the two
variables, as in containers, a process counts for itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, generate_latest, multiprocess, start_http_server, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from ml_service.platform import metrics_files

log = structlog.get_logger()

CONTENT_TYPE = CONTENT_TYPE_LATEST


def share_metrics() -> None:
    """Let this process count for all of its host, where the environment says so. Call it before any metric is made."""
    folder, process = os.environ.get(metrics_files.FOLDER), os.environ.get(metrics_files.PROCESS)
    if folder and process:
        try:
            metrics_files.allocate(Path(folder), process)
        except OSError as error:
            log.warning("metrics_not_shared", folder=folder, error=str(error))
        else:
            values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]
            return
    os.environ.pop(metrics_files.FOLDER, None)
    values.ValueClass = values.MutexValue


def text_of(own: CollectorRegistry, *more: Collector) -> bytes:
    """What this host counts, and ``more``, in Prometheus' text format. Reads files: not for an event loop."""
    shown = CollectorRegistry(auto_describe=False)
    for one in (_of_host(own), *more):
        shown.register(one)
    return bytes(generate_latest(shown))


def listen(own: CollectorRegistry, host: str, port: int) -> Callable[[], None]:
    """Answer Prometheus at an address of its own, in a thread; returns what ends it. Raises OSError."""
    server, thread = start_http_server(port, host, _of_host(own))

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return close


def _of_host(own: CollectorRegistry) -> CollectorRegistry:
    if not os.environ.get(metrics_files.FOLDER):
        return own
    shared = CollectorRegistry()
    multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared
