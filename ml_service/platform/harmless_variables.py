"""Which variables of an environment a model may see: what programs need to run at all, and what libraries are tuned by.

A list of what is allowed, so that no secret of the service reaches a model because nobody thought of it.
"""

from __future__ import annotations

import re

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


def is_harmless(name: str, value: str) -> bool:
    """Whether a model may see a variable that nobody has named to it."""
    upper = name.upper()  # http_proxy is usually written in lower case
    is_known = upper in _ALLOWED or (upper.startswith(_ALLOWED_PREFIXES) and not _SECRET_NAME.search(upper))
    return is_known and not _URL_WITH_PASSWORD.search(value)
