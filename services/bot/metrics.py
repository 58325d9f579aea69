"""What the bot counts for Prometheus."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter

from ml_service.platform import metrics

CONTENT_TYPE = metrics.CONTENT_TYPE
Handled = Literal["done", "put_off", "given_up"]
Called = Literal["done", "refused", "chat_gone", "put_off"]


class BotMetrics:
    """The work of this process; each instance has a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._updates = Counter(
            "ml_service_bot_updates", "Updates of Telegram, as often as tried.", ("outcome",), registry=self._registry
        )
        self._calls = Counter(
            "ml_service_bot_calls",
            "What the bot has asked Telegram to write, as often as tried.",
            ("method", "outcome"),
            registry=self._registry,
        )

    def handled(self, outcome: Handled) -> None:
        """Count an update that was tried."""
        self._updates.labels(outcome).inc()

    def called(self, method: str, outcome: Called) -> None:
        """Count a call of Telegram."""
        self._calls.labels(method, outcome).inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format. Not for an event loop."""
        return metrics.text_of(self._registry)
