"""The bundled model `entities-ru` with its own packages, which `start.py` installs, and then keeps."""

from __future__ import annotations

from dataclasses import replace

from engine.common.state import PROJECT
from engine.native import model_environments
from ml_service.runtime.host.model_folders import ModelSource, discover
from ml_service.runtime.host.model_host import ModelLimits
from tests.support.hosts import QUICK

NAME = "entities-ru"


def source() -> ModelSource:
    """Where it is."""
    return discover([NAME]).models[NAME]


def limits() -> ModelLimits:
    """What a worker grants it, after its environment was made."""
    PROJECT.make()
    model_environments.ensure([NAME])
    return replace(QUICK, environments=model_environments.folder())
