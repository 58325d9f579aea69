"""A model sees an allow-list of the worker's environment, never a token, a password, or a URL with one."""

from __future__ import annotations

import pytest

from ml_service.runtime.host.environment import environment_for_models

SECRETS = {
    "DATABASE_URL": "postgresql://worker:pw@db/ml_service",
    "AMQP_URL": "amqp://worker:pw@queue/",
    "JWT_SECRET": "x" * 32,
    "TELEGRAM_TOKEN": "1:abc",
    "TELEGRAM_WEBHOOK_SECRET": "abc",
    "BOT_TOKEN": "1:abc",
    "PGPASSWORD": "pw",
    "PGPASSFILE": "/root/.pgpass",
    "AWS_SECRET_ACCESS_KEY": "x",
    "GITHUB_TOKEN": "x",
    "HF_TOKEN": "hf_x",
    "HF_HUB_TOKEN": "hf_x",
    "hf_token": "hf_x",
    "TORCH_API_KEY": "x",
    "XDG_PASSWORD": "x",
    "HTTPS_PROXY": "http://user:pw@proxy:3128",
    "http_proxy": "http://user@proxy:3128",
    "HF_ENDPOINT": "https://user:pw@mirror/",
    "SECRETS_FOLDER": "/run/secrets",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "LISTEN_FDS": "3",
    "SSH_AUTH_SOCK": "/run/agent",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "MY_OWN_VARIABLE": "1",
    "LD_PRELOAD": "/opt/x.so",
    "PYTHONSTARTUP": "/opt/x.py",
    "PYTHONINSPECT": "1",
}
HARMLESS = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "LANG": "C.UTF-8",
    "LC_ALL": "ru_RU.UTF-8",
    "TZ": "Europe/Moscow",
    "TMPDIR": "/scratch",
    "CUDA_VISIBLE_DEVICES": "0",
    "NVIDIA_VISIBLE_DEVICES": "all",
    "HF_HOME": "/models",
    "HF_HUB_OFFLINE": "1",
    "LD_LIBRARY_PATH": "/usr/local/cuda/lib64",
    "https_proxy": "http://proxy:3128",
    "no_proxy": "localhost",
    "OMP_NUM_THREADS": "4",
    "ML_SERVICE_FOLDER": "/srv/ml-service/var",
    "ML_SERVICE_WEIGHTS_FOLDER": "/srv/ml-service/var/weights",
}

REPORTS = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")


@pytest.mark.parametrize("name", SECRETS)
def test_a_model_does_not_see(name: str) -> None:
    assert name not in environment_for_models({name: SECRETS[name]})


def test_a_model_sees_what_programs_and_libraries_need() -> None:
    seen = environment_for_models(HARMLESS | SECRETS)
    assert HARMLESS.items() <= seen.items()
    added = seen.keys() - HARMLESS.keys()
    others = {"TOKENIZERS_PARALLELISM", "PYTHONPATH", *REPORTS}
    assert all(name.endswith("_THREADS") or name in others for name in added)


def test_libraries_are_told_to_report_to_nobody_unless_the_environment_says_otherwise() -> None:
    assert {name: environment_for_models({})[name] for name in REPORTS} == dict.fromkeys(REPORTS, "1")
    assert environment_for_models({"ORT_DISABLE_TELEMETRY": "0"})["ORT_DISABLE_TELEMETRY"] == "0"


def test_what_the_operator_names_is_seen() -> None:
    assert environment_for_models(SECRETS, ["MY_OWN_VARIABLE"])["MY_OWN_VARIABLE"] == "1"


def test_computing_threads_are_one_unless_the_environment_says_otherwise() -> None:
    assert environment_for_models({})["OMP_NUM_THREADS"] == "1"
    assert environment_for_models({"OMP_NUM_THREADS": "4"})["OMP_NUM_THREADS"] == "4"
