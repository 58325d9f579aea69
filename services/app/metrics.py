"""Prometheus metrics of one app process; each has a registry of its own, so that tests may start many."""

from __future__ import annotations

from collections import Counter as Count

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from services.app.load import Load
from services.app.middleware import Answered

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """What this process has served, and how busy the whole service is."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ml_service_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._latency = Histogram(
            "ml_service_request_seconds",
            "Time to the end of an answer.",
            ("route",),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        # What `labels` looks up costs more than to count: it is kept. Methods, routes and statuses are few.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._accepted = Counter(
            "ml_service_predictions_accepted", "Predictions accepted.", ("model",), registry=self._registry
        )
        self._waited = self._gauge("live_waiters", "Predictions waited for by Prefer: wait or a stream.")
        self._open = self._gauge("predictions_open", "Unfinished predictions of everybody.")
        self._unsent = self._gauge("predictions_unsent", "Predictions that the queue has not confirmed yet.")
        self._workers = self._gauge("workers", "Live workers.", "state")
        self._ready = self._gauge("queue_messages_ready", "Task messages that wait for a worker.", "pool")
        self._consumers = self._gauge("queue_consumers", "Consumers of the task queue.", "pool")

    def answered(self, answered: Answered) -> None:
        """Count a request."""
        child = self._children.get((answered.method, answered.route, answered.status))
        if child is None:
            child = (
                self._requests.labels(answered.method, answered.route, answered.status),
                self._latency.labels(answered.route),
            )
            self._children[answered.method, answered.route, answered.status] = child
        requests, latency = child
        requests.inc()
        latency.observe(answered.seconds)

    def accepted(self, model: str, count: int = 1) -> None:
        """Count accepted predictions."""
        self._accepted.labels(model).inc(count)

    def text(self, load: Load, waited: int) -> bytes:
        """All of it in Prometheus' text format; what is not known yet is not there, or as it last was."""
        self._waited.set(waited)
        if load.seen is not None:
            self._open.set(load.seen.open)
            self._unsent.set(load.seen.unsent)
            self._workers.clear()
            for state, count in Count(worker.state for worker in load.seen.workers).items():
                self._workers.labels(state).set(count)
        for pool, depth in load.depths.items():
            self._ready.labels(pool).set(depth.ready)
            self._consumers.labels(pool).set(depth.consumers)
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"ml_service_{name}", text, labels, registry=self._registry)
