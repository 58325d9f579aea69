"""Hosts with real child processes, for the tests of this folder."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelHost, ModelLimits

MODELS = Path(__file__).parents[1] / "models"
_MINE = """
from ml_service.runtime.author import Model

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."
    input_schema = {"type": "object"}
    output_schema = {"type": "object"}

    def load(self):
        LOAD

    def predict(self, inputs):
        PREDICT
"""
QUICK = ModelLimits(backoff_s_min=0.05, backoff_s_max=0.2, close_grace_s=1)


@contextlib.asynccontextmanager
async def running(source: ModelSource, limits: ModelLimits = QUICK) -> AsyncIterator[ModelHost]:
    """Start a host; close it at the end."""
    host = ModelHost(source, limits)
    await host.start()
    try:
        yield host
    finally:
        await host.close()


def mine(load: str = "pass", predict: str = "return inputs", rest: str = "") -> str:
    """Return the source of a small model with these lines in its methods, and ``rest`` behind them."""
    return _MINE.replace("LOAD", load).replace("PREDICT", predict) + rest


def troublesome() -> ModelSource:
    """Return the model that misbehaves on demand."""
    return ModelSource("troublesome", MODELS / "troublesome" / "model.py")


def of_models(folder: Path) -> list[psutil.Process]:
    """Every process of a model in this folder, copies that it has made of itself included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "ml_service.runtime.child" in command and any(str(folder) in word for word in command):
                found.append(process)
    return found
