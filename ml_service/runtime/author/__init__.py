"""What a model's file imports: ``from ml_service.runtime.author import Model, PredictionFailure``."""

from ml_service.runtime.author.model import Context, JsonObject, Model, PredictionFailure, Retry
from ml_service.runtime.author.weights import WrongWeights

__all__ = ["Context", "JsonObject", "Model", "PredictionFailure", "Retry", "WrongWeights"]
