"""What a worker counts for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from ml_service.platform import metrics

log = structlog.get_logger()

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class WorkerMetrics:
    """The work of this process; each instance has a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._finished = Counter(
            "ml_service_predictions_finished",
            "Predictions that workers have ended.",
            ("model", "status"),
            registry=self._registry,
        )
        self._postponed = Counter(
            "ml_service_predictions_postponed",
            "Predictions that models asked to see again later.",
            ("model",),
            registry=self._registry,
        )
        self._woken = Counter(
            "ml_service_model_wakes",
            "Batches that had to wait until a sleeping model was loaded.",
            ("model",),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "ml_service_batch_seconds",
            "Time that a model took for a batch.",
            ("model",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._items = Histogram(
            "ml_service_batch_items", "Inputs of a batch.", ("model",), buckets=ITEMS, registry=self._registry
        )

    def computed(self, model: str, items: int, seconds: float) -> None:
        """Count a batch that the model was given."""
        self._seconds.labels(model).observe(seconds)
        self._items.labels(model).observe(items)

    def finished(self, model: str, statuses: Iterable[str]) -> None:
        """Count predictions that have ended here."""
        for status in statuses:
            self._finished.labels(model, status).inc()

    def postponed(self, model: str, predictions: int) -> None:
        """Count predictions that were queued again for later."""
        self._postponed.labels(model).inc(predictions)

    def woken(self, model: str) -> None:
        """Count a batch that wakes its model."""
        self._woken.labels(model).inc()

    def listen(self, host: str, port: int) -> Callable[[], None]:
        """Answer Prometheus, where ``port`` is not 0; returns what ends it. Whatever happens, the worker works."""
        if port:
            try:
                return metrics.listen(self._registry, host, port)
            except OSError as error:
                log.warning("no_metrics_address", host=host, port=port, error=str(error))
        return lambda: None
