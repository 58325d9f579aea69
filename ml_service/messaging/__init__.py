"""The queue: one interface, two backends. `connect_queue` makes the one that is asked for."""

from __future__ import annotations

from ml_service.messaging.connect import connect_queue
from ml_service.messaging.queue import (
    DeadLetter,
    Queue,
    QueueDepth,
    QueueLimits,
    Result,
    ResultConsumer,
    ResultDelivery,
    ResultMessage,
    TaskConsumer,
    TaskDelivery,
    TaskMessage,
)

__all__ = [
    "DeadLetter",
    "Queue",
    "QueueDepth",
    "QueueLimits",
    "Result",
    "ResultConsumer",
    "ResultDelivery",
    "ResultMessage",
    "TaskConsumer",
    "TaskDelivery",
    "TaskMessage",
    "connect_queue",
]
