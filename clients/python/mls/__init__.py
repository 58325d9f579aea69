"""Client of an ML Service: `Client` and `AsyncClient`, the errors that they raise, and the verification of webhooks."""

from __future__ import annotations

from mls import errors, webhooks
from mls.async_client import AsyncClient
from mls.bulk import BulkJob, BulkNotFinished, BulkResult
from mls.client import Client
from mls.errors import ApiError, ServiceUnreachable, SourceConsumed, StillRunning, UnexpectedAnswer
from mls.progress import Progress
from mls.types import Balance, Batch, Model, Page, Prediction, PredictionFailed, Quote, Status, Transaction, Update

__version__ = "0.1.0"
__all__ = [
    "ApiError",
    "AsyncClient",
    "Balance",
    "Batch",
    "BulkJob",
    "BulkNotFinished",
    "BulkResult",
    "Client",
    "Model",
    "Page",
    "Prediction",
    "PredictionFailed",
    "Progress",
    "Quote",
    "ServiceUnreachable",
    "SourceConsumed",
    "Status",
    "StillRunning",
    "Transaction",
    "UnexpectedAnswer",
    "Update",
    "errors",
    "webhooks",
]
