"""Every spelling of a `.env` file that people write is either read rightly or refused in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.state import ROOT
from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.engine import EngineSettings
from ml_service.platform.settings.files import SettingsError, read_file
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import collect, load, unknown_settings
from tests.support.setting_values import STRONG, put

READ = {
    "plain": b"MODE=production\n",
    "no newline at the end": b"MODE=production",
    "crlf": b"MODE=production\r\n",
    "carriage returns": b"# old\rMODE=production\rLOG_LEVEL=INFO\r",
    "byte order mark": b"\xef\xbb\xbfMODE=production\n",
    "utf-16 little endian": "MODE=production\r\n".encode("utf-16"),
    "utf-16 big endian": b"\xfe\xff" + "MODE=production\r\n".encode("utf-16-be"),
    "utf-32": "MODE=production\n".encode("utf-32"),
    "export": b"export MODE=production\n",
    "export with tabs": b"\texport\tMODE=production\n",
    "spaces around": b"  MODE  =  production  \n",
    "no-break space around": "MODE\u00a0=\u00a0production\n".encode(),
    "double quotes": b'MODE="production"\n',
    "single quotes": b"MODE='production'\n",
    "quoted name": b"'MODE'=production\n",
    "comment behind": b"MODE=production # for customers\n",
    "comment behind quotes": b'MODE="production" # for customers\n',
    "comment above in Russian": "# режим работы\nMODE=production\n".encode(),
    "empty lines": b"\n\n\nMODE=production\n\n",
    "the last of two counts": b"MODE=demo\nMODE=production\n",
    "lower-case name": b"mode=production\n",
    "value in capitals": b"MODE=PRODUCTION\n",
    "another setting": b"KIND=production\nMODE=${KIND}\n",
    "a default": b"MODE=${NOWHERE_SET:-production}\n",
    "many lines in quotes": b'OTHER="one\ntwo\nMODE=demo"\nMODE=production\n',
}

REFUSED = {
    "utf-16 without its mark": ("MODE=production\n".encode("utf-16-le"), "UTF-8"),
    "cp1251": ("# режим\nMODE=production\n".encode("cp1251"), "line 1 is not UTF-8"),
    "cp1251 further down": ("MODE=production\n# режим\n".encode("cp1251"), "line 2 is not UTF-8"),
    "yaml": (b"MODE: production\n", "line 1 ('MODE' …) is not of the form NAME=value"),
    "a comment of systemd's": (b"; comment here\nMODE=production\n", "line 1"),
    "windows set": (b"\nset MODE=production\n", "line 2 ('set' …)"),
    "powershell": (b'$env:MODE = "production"\n', "line 1"),
    "ini section": (b"[app]\nMODE=production\n", "a setting's name"),
    "json": (b'{"MODE": "production"}\n', "line 1"),
    "an open quote": (b'MODE="production\nLOG_LEVEL=INFO\n', "line 1 ('MODE' …)"),
    "words after a quote": (b'MODE="production" please\n', "line 1 ('MODE' …)"),
    "curly quotes around the line": ("“MODE=production”\n".encode(), "a setting's name"),
    "curly quotes around the value": ("MODE=“production”\n".encode(), "MODE:"),
    "a semicolon behind": (b"MODE=production;\n", "MODE:"),
    "a comment without a space": (b"MODE=production#customers\n", "MODE:"),
    "a zero-width space": ("MODE=production\u200b\n".encode(), "MODE:"),
    "a continued line": (b"MODE=produc\\\ntion\n", "MODE:"),
    "another word": (b"MODE=prod\n", "MODE:"),
    "NUL": (b"MODE=production\0\n", "UTF-8"),
}


@pytest.mark.parametrize("name", [".env", "services/app/.env", "services/bot/.env", "services/ml_worker/.env"])
@pytest.mark.parametrize("data", READ.values(), ids=READ.keys())
def test_each_spelling_of_production_is_production_for_every_service(tmp_path: Path, name: str, data: bytes) -> None:
    put(tmp_path, name, data)
    for settings in (AppSettings, BotSettings, WorkerSettings, CommonSettings):
        assert load(settings, folder=tmp_path, environment={}, generated=STRONG).mode == "production"


@pytest.mark.parametrize("name", [".env", "services/app/.env", "services/bot/.env", "services/ml_worker/.env"])
@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_by_every_service(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    put(tmp_path, name, data)
    for settings in (AppSettings, BotSettings, WorkerSettings):
        with pytest.raises(SettingsError) as caught:
            load(settings, folder=tmp_path, environment={}, generated=STRONG)
        assert words in str(caught.value)


def test_a_refused_line_shows_no_value(tmp_path: Path) -> None:
    put(tmp_path, ".env", b"TELEGRAM_TOKEN: 123:very-secret\n")
    with pytest.raises(SettingsError) as caught:
        read_file(tmp_path / ".env")
    assert "very-secret" not in str(caught.value)


def test_a_folder_or_a_dangling_link_in_a_files_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match="is not a file"):
        read_file(tmp_path / ".env")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SettingsError, match="is not a file"):
        read_file(tmp_path / "link")
    assert read_file(tmp_path / "none") == {}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.env"
    file.write_bytes(data)
    try:
        values = read_file(file)
    except SettingsError as error:
        assert str(error).startswith(str(file))  # noqa: PT017 - either outcome is right
    else:
        assert all(name == name.upper() and value for name, value in values.items())


def test_each_layer_counts_more_than_the_one_below(tmp_path: Path) -> None:
    def models() -> str:
        environment = {"MODELS": "environment"} if has_environment else {}
        return load(WorkerSettings, folder=tmp_path, environment=environment, generated={"MODELS": "generated"}).models

    has_environment = False
    assert models() == "generated"
    for name in ("services/app/.env", "services/ml_worker/.env", ".env"):
        put(tmp_path, name, f"MODELS={name}\n".encode())
        assert models() == name
    has_environment = True
    assert models() == "environment"


def test_an_empty_value_is_not_set(tmp_path: Path) -> None:
    put(tmp_path, "services/app/.env", b"STARTING_CREDITS=7\n")
    put(tmp_path, ".env", b'STARTING_CREDITS=\nHOST=""\n')
    settings = load(AppSettings, folder=tmp_path, environment={"STARTING_CREDITS": ""})
    assert settings.starting_credits == 7
    assert settings.host == "127.0.0.1"


def test_a_service_is_given_only_settings_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, ".env", b"JWT_SECRET=abc\nTELEGRAM_TOKEN=1:x\nMODELS=echo\n")
    assert set(collect(WorkerSettings, folder=tmp_path, environment={})) == {"MODELS", "MODEL_VARIABLES"}
    assert set(collect(BotSettings, folder=tmp_path, environment={})) == {"TELEGRAM_TOKEN"}
    assert set(collect(AppSettings, folder=tmp_path, environment={})) == {"JWT_SECRET"}


def test_production_asks_no_worker_for_the_apps_secret(tmp_path: Path) -> None:
    put(tmp_path, ".env", b"MODE=production\n")
    assert load(WorkerSettings, folder=tmp_path, environment={}).mode == "production"
    with pytest.raises(SettingsError, match="JWT_SECRET"):
        load(AppSettings, folder=tmp_path, environment={})


def test_what_the_workers_file_says_besides_is_for_the_models(tmp_path: Path) -> None:
    put(tmp_path, "services/ml_worker/.env", b"HF_TOKEN=t\nMODELS=echo\nJWT_SECRET=x\n")
    assert load(WorkerSettings, folder=tmp_path, environment={}).model_variables == {"HF_TOKEN": "t"}
    values = collect(WorkerSettings, folder=tmp_path, environment={})
    assert json.loads(values["MODEL_VARIABLES"]) == {"HF_TOKEN": "t"}


def test_an_unknown_setting_is_told_with_what_may_be_meant(tmp_path: Path) -> None:
    put(tmp_path, "services/app/.env", b"STARTNG_CREDITS=5\nDATABASE_URL=postgresql://db/x\nCOLOUR=red\n")
    put(tmp_path, "services/ml_worker/.env", b"HF_TOKEN=t\nMODEL=echo\n")
    put(tmp_path, ".env", b"HTTP_PORT=81\nCOMPOSE_PROJECT_NAME=x\nPOSTGRES_IMAGE=p\nMODEE=demo\n")
    put(tmp_path, "docker-compose.yaml", b"image: ${POSTGRES_IMAGE:-postgres:17}\n")
    assert unknown_settings(tmp_path) == [
        ".env: MODEE is not a setting. Did you mean MODE?",
        "services/app/.env: STARTNG_CREDITS is not a setting. Did you mean STARTING_CREDITS?",
        "services/app/.env: COLOUR is not a setting.",
        "services/ml_worker/.env: MODEL is not a setting. Did you mean MODELS?",
    ]


@pytest.mark.parametrize(
    "setting",
    [
        "DATABASE_URL=mysql://app:secret@host/db",
        "DATABASE_URL=postgresql+asyncpg://app:secret@host/db",
        "DATABASE_URL=host=db dbname=ml_service",
        "DATABASE_URL=postgresql://app:p#ss@host:5432/db",
        "DATABASE_URL=postgresql://app:secret@host:port/db",
        "AMQP_URL=rabbit:5672",
        "AMQP_URL=http://host:15672",
        "AMQP_URL=amqp://app:secret@host:99999/",
        "QUEUE_BACKEND=redis",
        "REGISTRATION=invited",
        "DATABASE_TIMEOUT_S=inf",
        "DEADLINE_S_MAX=nan",
        "VERSION_GONE_S=1e300",
        "ACCESS_TOKEN_LIFETIME_S=15m",
        "BODY_BYTES_MAX=2MB",
        "RETENTION_DAYS=forever",
        "HTTP_PORT=80a",
        "HTTP_PORT=8_0",
        "HTTP_PORT=+80",
        "STARTING_CREDITS=١٠",
        "STARTING_CREDITS=10.0",
        "RETENTION_DAYS=1_0",
        "DATABASE_TIMEOUT_S=1_0.5",
        "DATABASE_TIMEOUT_S=1e1",
        "WEBHOOK_PORTS=٨٠",
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_its_setting(tmp_path: Path, setting: str) -> None:
    put(tmp_path, ".env", f"{setting}\n".encode())
    with pytest.raises(SettingsError) as caught:
        load(EngineSettings, folder=tmp_path, environment={})
    said = str(caught.value)
    assert said.startswith("Wrong settings. ")
    assert setting.split("=", maxsplit=1)[0] in said
    assert ";" not in said, "it names only what is wrong"
    assert "\n" not in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "setting",
    [
        "DATABASE_URL=postgresql://app:x@one:5432,two:5433/db?target_session_attrs=read-write",
        "DATABASE_URL=postgres://app:x@[fe80::1]:5432/db",
        "AMQP_URL=AMQPS://host/%2Fvhost",
        "REGISTRATION=Closed",
        "MODE=Demo",
        "LOG_LEVEL=debug",
    ],
)
def test_a_right_value_is_taken_in_any_spelling(tmp_path: Path, setting: str) -> None:
    put(tmp_path, ".env", f"{setting}\n".encode())
    load(EngineSettings, folder=tmp_path, environment={})


@pytest.mark.parametrize(
    "setting",
    [
        "AMQP_URL=amqp://guest:guest@host/",
        "AMQP_URL=amqp://host/",
        "AMQP_URL=amqps://host",
        "AMQP_URL=amqp://somebody@host/",
        "AMQP_URL=amqp://gu%65st:g%75est@host/",
        "AMQP_URL=AMQP://GUEST:GUEST@host/",
        "AMQP_URL=amqp://rabbit:rabbit@host/",
        "DATABASE_URL=postgresql://postgres:postgres@host/db",
        "DATABASE_URL=postgresql://app:t%65st@host/db",
        "DATABASE_URL=postgres://app:app@host/db",
        "DATABASE_URL=postgresql://app@host/db?password=test",
        "DATABASE_URL=postgresql://host/db?user=app&password=app",
        "JWT_SECRET=" + "a" * 32,
        "JWT_SECRET=" + "ab12" * 16,
        "JWT_SECRET=0123456789abcdef0123456789abcdef",
        "JWT_SECRET=secret",
        "TELEGRAM_WEBHOOK_SECRET=test",
        "TELEGRAM_WEBHOOK_SECRET=" + "x" * 40,
    ],
)
def test_production_refuses_a_well_known_secret(tmp_path: Path, setting: str) -> None:
    put(tmp_path, ".env", f"MODE=production\n{setting}\n".encode())
    settings = BotSettings if setting.startswith("TELEGRAM") else AppSettings
    with pytest.raises(SettingsError, match=setting.split("=", maxsplit=1)[0]):
        load(settings, folder=tmp_path, environment={}, generated=STRONG)
    put(tmp_path, ".env", f"MODE=demo\n{setting}\n".encode())
    load(settings, folder=tmp_path, environment={})


@pytest.mark.parametrize(
    "setting",
    [
        "AMQP_URL=amqps://ml:Zq8%40fjW2x@host/vhost",
        "DATABASE_URL=postgresql://ml_service_app@/ml_service?host=/run/postgresql",
        "DATABASE_URL=postgresql://app:Zq8%40fjW2x@host/db?sslmode=verify-full",
        "JWT_SECRET=1f0a2b3c4d5e6f708192a3b4c5d6e7f8",
        "TELEGRAM_WEBHOOK_SECRET=Zq8fjW2xLm4TnY8s",
    ],
)
def test_production_takes_what_nobody_knows(tmp_path: Path, setting: str) -> None:
    put(tmp_path, ".env", f"MODE=production\n{setting}\n".encode())
    for settings in (AppSettings, BotSettings):
        load(settings, folder=tmp_path, environment={}, generated=STRONG)


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("123456:AAF-x_y", ""),
        ("", "has no TELEGRAM_TOKEN"),
        ("paste-the-token-from-BotFather-here", "has no TELEGRAM_TOKEN"),
        ("bot123456:AAF", "before the colon"),
        ("123456AAF", "no colon"),
        ("123456:", "ends at the colon"),
        ("123456:AAF x", "after the colon"),
    ],
)
def test_a_token_that_looks_wrong_is_told_with_the_wrong_part(token: str, problem: str) -> None:
    said = BotSettings.model_validate({"telegram_token": token}).token_problem
    assert problem in said if problem else said == ""


FOR_PROGRAMS = {"MODEL_VARIABLES"}
"""What nobody sets: it is made of the other lines of the worker's file."""


@pytest.mark.parametrize("settings", [AppSettings, BotSettings, WorkerSettings])
def test_every_setting_of_a_service_is_in_its_example_behind_a_comment(settings: type[CommonSettings]) -> None:
    lines = (ROOT / "services" / settings.service / ".env.example").read_text(encoding="utf-8").splitlines()
    found: set[str] = set()
    has_comment = False
    for line in lines:
        if named := re.match("#?([A-Z][A-Z0-9_]*)=", line):
            assert has_comment, line
            found.add(named[1])
        else:
            has_comment = line.startswith("# ") or (has_comment and bool(line))
    names = {name.upper() for name in settings.model_fields} - FOR_PROGRAMS
    assert names - found == set()
    assert found - names <= {"OPENAI_API_KEY"}, "what is no setting, or no longer"
