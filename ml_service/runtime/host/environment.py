"""What a model's process sees of the worker's environment: an allow-list, never the service's secrets.

A model is third-party code. It gets what programs need to run at all and what numeric libraries are tuned by, and
what the operator names in MODEL_ENVIRONMENT.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_service.platform.harmless_variables import is_harmless

_PROJECT = Path(__file__).resolve().parents[3]
# Models share the machine with others: several workers, one thread each, beat one worker with several threads.
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)

# ONNX Runtime and others send reports of their use to their makers, and keep files for them in HOME.
_NO_REPORTS = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")


def environment_for_models(ours: Mapping[str, str], named: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment of a model's process.

    Args:
        ours: The worker's environment.
        named: Names that the operator wants models to see, whatever they look like.
    """
    wanted = set(named)
    theirs = {name: value for name, value in ours.items() if name in wanted or is_harmless(name, value)}
    for name in _ONE_THREAD:
        theirs.setdefault(name, "1")
    theirs.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in _NO_REPORTS:
        theirs.setdefault(name, "1")
    # The child finds this package wherever the worker was started.
    theirs["PYTHONPATH"] = os.pathsep.join([str(_PROJECT), *filter(None, [ours.get("PYTHONPATH")])])
    return theirs
