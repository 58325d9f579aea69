"""What a model's process sees of the worker's environment: an allow-list, never the service's secrets.

A model is third-party code. It gets what programs need to run at all and what numeric libraries are tuned by, and
what the operator names in MODEL_ENVIRONMENT.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[3]
_ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TZDIR", "TERM"),
        *("TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("PYTHONHASHSEED", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUTF8"),
        *("CUBLAS_WORKSPACE_CONFIG", "TOKENIZERS_PARALLELISM", "DO_NOT_TRACK"),
        "ML_SERVICE_FOLDER",  # by which the native engine finds what a model has left behind
        "ML_SERVICE_WEIGHTS_FOLDER",  # where bundled models share what they make of their weights
    }
)
_ALLOWED_PREFIXES = (
    *("LC_", "XDG_", "CUDA_", "NVIDIA_", "NCCL_", "CUDNN_", "HIP_", "ROCR_", "ROCM_", "HSA_", "XLA_", "JAX_", "TPU_"),
    *("TORCH_", "PYTORCH_", "TORCHINDUCTOR_", "TRITON_", "TF_", "KERAS_", "ORT_", "HF_", "TRANSFORMERS_"),
    *("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "BLIS_", "VECLIB_", "NUMEXPR_", "NUMBA_", "RAYON_", "LLVM_"),
)
# HF_TOKEN and its like: a name that is allowed by its beginning may still say that it is secret.
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|PRIVATE|(^|_)KEY|(^|_)PWD|DSN")
_URL_WITH_PASSWORD = re.compile(r"://[^/\s@]*@")
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
    theirs = {name: value for name, value in ours.items() if name in wanted or _is_harmless(name, value)}
    for name in _ONE_THREAD:
        theirs.setdefault(name, "1")
    theirs.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in _NO_REPORTS:
        theirs.setdefault(name, "1")
    # The child finds this package wherever the worker was started.
    theirs["PYTHONPATH"] = os.pathsep.join([str(_PROJECT), *filter(None, [ours.get("PYTHONPATH")])])
    return theirs


def _is_harmless(name: str, value: str) -> bool:
    upper = name.upper()  # http_proxy is usually written in lower case
    if upper not in _ALLOWED and not upper.startswith(_ALLOWED_PREFIXES):
        return False
    return not _SECRET_NAME.search(upper) and not _URL_WITH_PASSWORD.search(value)
