"""Whose file says what: one mode and one queue for all services, and each setting where its reader looks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.files import SettingsError
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import collect, load, unknown_settings
from tests.support.setting_values import STRONG, put


@pytest.mark.parametrize("place", [".env", "services/app/.env", "services/bot/.env", "services/ml_worker/.env"])
def test_production_in_one_place_and_demo_in_one_that_counts_more_is_refused(tmp_path: Path, place: str) -> None:
    put(tmp_path, place, b"MODE=production\n")
    for settings in (AppSettings, BotSettings, WorkerSettings):
        with pytest.raises(SettingsError, match="MODE is demo in the environment and production in"):
            load(settings, folder=tmp_path, environment={"MODE": "demo"}, generated=STRONG)


@pytest.mark.parametrize("place", [".env", "services/app/.env", "services/bot/.env", "services/ml_worker/.env"])
@pytest.mark.parametrize("text", ["MODE=production\nMODE=demo\n", "mode=production\nexport MODE=demo\n"])
def test_production_and_demo_in_one_file_are_refused(tmp_path: Path, place: str, text: str) -> None:
    put(tmp_path, place, text.encode())
    for settings in (AppSettings, BotSettings, WorkerSettings):
        with pytest.raises(SettingsError, match=f"MODE is demo in {place} and production in {place}"):
            load(settings, folder=tmp_path, environment={}, generated=STRONG)


def test_production_and_demo_in_one_environment_are_refused(tmp_path: Path) -> None:
    for environment in ({"MODE": "production", "mode": "demo"}, {"mode": "demo", "MODE": "production"}):
        try:
            mode = load(WorkerSettings, folder=tmp_path, environment=environment).mode
        except SettingsError as error:
            assert "let both say the same" in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert mode == "production"


def test_a_name_without_a_value_asks_for_nothing(tmp_path: Path) -> None:
    put(tmp_path, ".env", b"export MODE\nLOG_LEVEL\n")
    assert load(WorkerSettings, folder=tmp_path, environment={"MODE": "production"}).mode == "production"
    assert load(WorkerSettings, folder=tmp_path, environment={}).mode == "demo"


@pytest.mark.parametrize("place", [".env", "services/app/.env", "services/bot/.env", "services/ml_worker/.env"])
def test_all_services_have_one_queue(tmp_path: Path, place: str) -> None:
    put(tmp_path, place, b"QUEUE_BACKEND=RabbitMQ\n")
    for settings in (AppSettings, BotSettings, WorkerSettings):
        assert collect(settings, folder=tmp_path, environment={})["QUEUE_BACKEND"] == "RabbitMQ"
        assert collect(settings, folder=tmp_path, environment={"QUEUE_BACKEND": "x"})["QUEUE_BACKEND"] == "x"
    for other in {"services/app/.env", "services/bot/.env", "services/ml_worker/.env"} - {place}:
        put(tmp_path, other, b"QUEUE_BACKEND=postgres\n")
    for settings in (AppSettings, BotSettings, WorkerSettings):
        if place == ".env":
            assert collect(settings, folder=tmp_path, environment={})["QUEUE_BACKEND"] == "RabbitMQ"
        else:
            with pytest.raises(SettingsError, match=r"QUEUE_BACKEND is .*: let both say the same"):
                collect(settings, folder=tmp_path, environment={})


def test_models_get_names_and_values_as_they_are_written(tmp_path: Path) -> None:
    put(
        tmp_path,
        "services/ml_worker/.env",
        b"CUDA_VISIBLE_DEVICES=\nhttp_proxy=http://p\nMyToken=1\nBARE\nmodels=echo\n",
    )
    seen = load(WorkerSettings, folder=tmp_path, environment={})
    assert seen.model_variables == {"CUDA_VISIBLE_DEVICES": "", "http_proxy": "http://p", "MyToken": "1"}
    assert seen.models == "echo"


def test_a_setting_in_the_file_of_who_does_not_read_it_is_told(tmp_path: Path) -> None:
    put(tmp_path, "services/ml_worker/.env", b"ML_WORKERS=5\nMODELS=echo\nLOG_LEVEL=debug\n")
    put(tmp_path, "services/bot/.env", b"RETENTION_DAYS=5\nHTTP_PORT=81\nTELEGRAM_TOKEN=1:x\n")
    put(tmp_path, "services/app/.env", b"ML_WORKERS=5\nMODELS=echo\nTELEGRAM_TOKEN=1:x\nRETENTION_DAYS=5\n")
    assert unknown_settings(tmp_path) == [
        "services/bot/.env: RETENTION_DAYS has no effect there. Write it into .env.",
        "services/bot/.env: HTTP_PORT has no effect there. Write it into .env.",
        "services/ml_worker/.env: ML_WORKERS has no effect there. Write it into .env.",
    ]


@pytest.mark.parametrize(
    "setting",
    [
        "TELEGRAM_WEBHOOK_URL=nonsense",
        "TELEGRAM_WEBHOOK_URL=http://bot.example/telegram",
        "TELEGRAM_WEBHOOK_URL=https:///telegram",
        "TELEGRAM_WEBHOOK_URL=https://bot.example/a{b",
        "TELEGRAM_WEBHOOK_URL=https://bot.example/{x}",
        "TELEGRAM_WEBHOOK_URL=https://bot.example/a?b=c",
        "TELEGRAM_API_URL=api.telegram.org",
    ],
)
def test_a_wrong_address_of_the_bot_is_refused(tmp_path: Path, setting: str) -> None:
    put(tmp_path, "services/bot/.env", f"{setting}\n".encode())
    with pytest.raises(SettingsError, match=setting.partition("=")[0]):
        load(BotSettings, folder=tmp_path, environment={})


def test_a_bot_api_server_of_ones_own_may_call_without_tls(tmp_path: Path) -> None:
    put(
        tmp_path,
        "services/bot/.env",
        b"TELEGRAM_WEBHOOK_URL=http://127.0.0.1:80/t\nTELEGRAM_API_URL=http://[::1]:8081\n",
    )
    assert load(BotSettings, folder=tmp_path, environment={}).telegram_webhook_url
