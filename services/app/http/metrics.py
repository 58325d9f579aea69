"""What the app counts for Prometheus; each instance has a registry of its own, so that tests may start many."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ml_service.domain.bulk import BulkJob
from ml_service.platform import metrics
from services.app.http.edge import Answered
from services.app.load import LoadWatch

CONTENT_TYPE = metrics.CONTENT_TYPE
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class AppMetrics:
    """What this process has served. With it goes how busy the whole service is, as this process saw it last."""

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
        self._bulk = Counter(
            "ml_service_bulk_jobs_accepted", "Bulk jobs accepted.", ("model",), registry=self._registry
        )
        self._bulk_lines = Counter(
            "ml_service_bulk_lines_accepted", "Valid lines of bulk jobs.", ("model",), registry=self._registry
        )
        self._accepted_of: dict[str, Counter] = {}
        self._keys_refused = Counter(
            "ml_service_api_key_refusals",
            "Requests by a valid API key that was not allowed, by the error's code.",
            ("code",),
            registry=self._registry,
        )
        self._waited = Gauge(
            "ml_service_live_waiters",
            "Predictions waited for by Prefer: wait or a stream.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._waited.set(0)

        self._webhooks = Counter(
            "ml_service_webhook_attempts", "Messages sent to webhooks.", ("outcome",), registry=self._registry
        )
        self._webhook_latency = Histogram(
            "ml_service_webhook_seconds", "Time of an attempt.", buckets=BUCKETS_S, registry=self._registry
        )

    def webhook_attempted(self, outcome: str, seconds: float) -> None:
        """Count an attempt: ``delivered``, ``failed``, or ``given_up``."""
        self._webhooks.labels(outcome).inc()
        self._webhook_latency.observe(seconds)

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
        child = self._accepted_of.get(model)
        if child is None:
            child = self._accepted_of[model] = self._accepted.labels(model)
        child.inc(count)

    def bulk_accepted(self, job: BulkJob) -> None:
        """Count an accepted bulk job and its valid lines."""
        self._bulk.labels(job.model).inc()
        self._bulk_lines.labels(job.model).inc(job.lines - job.lines_invalid)

    def key_refused(self, code: str) -> None:
        """Count a request by an API key that was not allowed."""
        self._keys_refused.labels(code).inc()

    def waited(self, count: int) -> None:
        """So many predictions are waited for now."""
        self._waited.set(count)

    def text(self, load: LoadWatch) -> bytes:
        """All of it in Prometheus' text format; what is not known yet is not there. Not for an event loop."""
        return metrics.text_of(self._registry, _Busy(load))


class _Busy(Collector):
    """How busy the service is: each app process knows all of it, so that nothing is added up over processes."""

    def __init__(self, load: LoadWatch) -> None:
        self._load = load

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The last look."""
        seen, depths = self._load.seen, self._load.depths
        if seen is not None:
            yield _gauge("predictions_open", "Unfinished predictions of everybody.", {"": seen.open})
            yield _gauge("predictions_unsent", "Predictions that the queue has not confirmed yet.", {"": seen.unsent})
            states = Count(worker.state for worker in seen.workers)
            yield _gauge("workers", "Live workers.", states, "state")
        if depths:
            ready = {pool: depth.ready for pool, depth in depths.items()}
            yield _gauge("queue_messages_ready", "Task messages that wait for a worker.", ready, "pool")
            consumers = {pool: depth.consumers for pool, depth in depths.items()}
            yield _gauge("queue_consumers", "Consumers of the task queue.", consumers, "pool")
        if self._load.dead_letters is not None:
            dead = {"": self._load.dead_letters}
            yield _gauge("dead_letters", "Task messages that no worker could handle.", dead)


def _gauge(name: str, text: str, values: Mapping[str, float], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"ml_service_{name}", text, labels=labels)
    for label, value in values.items():
        family.add_metric([label] if labels else [], value)
    return family
