"""The engine's smaller parts: logs, ports, secrets, what is decided from the environment."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine import command_line
from engine.common import examples, pools, ports, version
from engine.common.errors import EngineError
from engine.common.limits import WORKERS_MAX
from engine.common.state import ROOT, Places, load_secrets, write_json
from engine.native import logs, plan, rabbitmq, supervisor, systemd


def test_a_log_that_is_still_written_is_cut_and_kept_in_numbers(tmp_path: Path) -> None:
    log = tmp_path / "app-1.log"
    with log.open("ab", buffering=0) as writer:
        for text in (b"a" * 100, b"b" * 100, b"c" * 100, b"d" * 100):
            writer.write(text)
            assert logs.rotate(log, 100)
        writer.write(b"e")
    assert log.read_bytes() == b"e"
    assert [log.with_name(f"app-1.log.{number}").read_bytes()[:1] for number in (1, 2, 3)] == [b"d", b"c", b"b"]
    assert not logs.rotate(log, 100)


def test_a_log_that_cannot_be_copied_costs_none_of_the_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(_: Path, copy: Path) -> None:
        copy.write_bytes(b"l")
        raise OSError(errno.ENOSPC, "No space left on device")

    log = tmp_path / "app-1.log"
    files = {"app-1.log": "long", "app-1.log.1": "yesterday", "app-1.log.2": "the day before"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(logs.shutil, "copyfile", fill_the_disk)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            logs.rotate(log, 1)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == files


def test_logs_are_chosen_by_kind_and_by_name(tmp_path: Path) -> None:
    for name in ("app-1", "app-2", "worker-1", "postgres"):
        (tmp_path / f"{name}.log").touch()
    assert [log.stem for log in logs.choose(tmp_path, "app")] == ["app-1", "app-2"]
    assert [log.stem for log in logs.choose(tmp_path, "worker-1")] == ["worker-1"]
    assert logs.choose(tmp_path, "work") == []
    assert len(logs.choose(tmp_path, None)) == 4


def test_the_version_has_this_folders_commit_whatever_git_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    commit = ["-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-q", "--allow-empty", "-m"]
    for folder in (tmp_path, tmp_path / "another"):
        for command in (["init", "-q", str(folder)], ["-C", str(folder), *commit, folder.name]):
            subprocess.run(["git", *command], check=True)
    shown = version.shown(tmp_path)
    assert shown.startswith("ML Service 1.2.3 (")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another/.git"))
    assert version.shown(tmp_path) == shown


def test_a_taken_port_is_named_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineError, match=rf"Port {port} is taken by python.*--port"):
            ports.listen("127.0.0.1", port)


@pytest.mark.parametrize("port", [80, 443, 944, 8000, 8080, 65_455, 65_456, 65_535])
def test_the_port_that_is_suggested_can_be_asked_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EADDRINUSE, "taken")

    monkeypatch.setattr(ports, "_bind", refuse)
    with pytest.raises(EngineError) as refused:
        ports.listen("127.0.0.1", port)
    suggested = command_line.parse(["--start", *str(refused.value).rstrip(".").split()[-2:]])[0].port
    assert 1024 <= suggested != port


@pytest.mark.parametrize("host", ["::g", "\0", "ы" * 300, "fe80::1%nowhere"])
def test_a_host_that_cannot_be_is_refused_in_a_sentence(host: str) -> None:
    with pytest.raises(EngineError, match=r"cannot be bound: .+\. HOST says"):
        ports.listen(host, 0)


def test_secrets_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    places = Places(tmp_path / "var")
    places.make()
    made = load_secrets(places)
    assert len(made["jwt_secret"]) >= 32
    assert load_secrets(places) == made
    assert stat.S_IMODE((places.var / "secrets.json").stat().st_mode) == 0o600
    for damaged in ("{damaged", "", "[]", "5", "null", '{"jwt_secret": 5}', '{"jwt_secret": null}', '{"other": []}'):
        (places.var / "secrets.json").write_text(damaged)
        with pytest.raises(EngineError, match="cannot be read"):
            load_secrets(places)


def test_the_queue_is_the_one_asked_for_or_last_used_or_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "available", lambda: True)
    assert plan.choose_queue(None, amqp_url=None, last=None) == "rabbitmq"
    assert plan.choose_queue(None, amqp_url=None, last="postgres") == "postgres"
    assert plan.choose_queue("postgres", amqp_url="amqp://broker/", last="rabbitmq") == "postgres"
    monkeypatch.setattr(rabbitmq, "available", lambda: False)
    assert plan.choose_queue(None, amqp_url=None, last=None) == "postgres"
    assert plan.choose_queue("rabbitmq", amqp_url="amqp://broker/", last=None) == "rabbitmq"
    with pytest.raises(EngineError, match="--queue postgres"):
        plan.choose_queue("rabbitmq", amqp_url=None, last=None)


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 1), (3, 1), (4, 2), (64, 2)])
def test_a_second_process_of_the_app_needs_four_cores(
    cores: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APP_PROCESSES", raising=False)
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    monkeypatch.setattr(plan, "cores", lambda: cores)
    made = plan.make_plan(workers=None, port=None, queue=None, places=Places(tmp_path / "var"))
    assert made.app_processes == processes


@pytest.mark.parametrize("where", ["environment", ".env", "services/app/.env"])
def test_every_documented_setting_works_from_the_environment_and_from_each_file(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "HOST": "127.0.0.7",
        "PORT": "8123",
        "QUEUE_BACKEND": "rabbitmq",
        "AMQP_URL": "amqp://me:Zq8fjW2x@broker/",
        "DATABASE_URL": "postgresql://me@elsewhere/db",
        "MODE": "production",
        "APP_PROCESSES": "3",
        "ML_WORKERS": "4",
        "JWT_SECRET": "fK2bXw9QmZ7vLr4TnY8sDp3HcJ6gAe5u",
        "TELEGRAM_TOKEN": "123:abc",
    }
    for name in (*settings, "HTTP_PORT", "MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    (tmp_path / "services/bot").mkdir(parents=True)
    (tmp_path / "services/bot/bot.py").touch()
    if where == "environment":
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
    else:
        file = tmp_path / where
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"export {name}='{value}'  # set\r\n" for name, value in settings.items()))
    made = plan.make_plan(workers=None, port=None, queue=None, places=Places(tmp_path / "var"))
    assert (made.host, made.port, made.queue, made.mode) == ("127.0.0.7", 8123, "rabbitmq", "production")
    assert (made.amqp_url, made.database_url) == (settings["AMQP_URL"], settings["DATABASE_URL"])
    assert (made.app_processes, made.workers) == (3, 4)
    assert made.secrets["jwt_secret"] == settings["JWT_SECRET"]
    assert made.has_bot


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("MODE=prod", "MODE"),
        ("PORT=http", "PORT"),
        ("APP_PROCESSES=0", "APP_PROCESSES"),
        ("ML_WORKERS=99", "ML_WORKERS"),
        ("QUEUE_BACKEND=kafka", "QUEUE_BACKEND"),
        ("DATABASE_URL=postgresql://me:pass[word@host/db", "DATABASE_URL"),
        ("STARTING_CREDITS=many", "STARTING_CREDITS"),
        ("WORKER_LEASE_S=soon", "WORKER_LEASE_S"),
        ("WORKER_LEASE_S=8", "WORKER_LEASE_S .8. must be more than twice WORKER_HEARTBEAT_S .4."),
        ("WORKER_HEARTBEAT_S=10", "WORKER_LEASE_S .20. must be more than twice WORKER_HEARTBEAT_S .10."),
        ("WEBHOOK_PORTS=443,70000", "WEBHOOK_PORTS"),
        ("WEBHOOK_PORTS=9000-80", "WEBHOOK_PORTS"),
        ("WEBHOOK_PORTS=0", "WEBHOOK_PORTS"),
        ("ATTEMPTS_MAX=2147483648", "ATTEMPTS_MAX is more than 2147483647"),
        ("OPEN_PREDICTIONS_PER_USER_MAX=10000000000", "OPEN_PREDICTIONS_PER_USER_MAX is more than 2147483647"),
        ("BOT_PORT=99999", "BOT_PORT"),
        ("TRUSTED_PROXIES=10.0.0.0/8, proxy.example", "TRUSTED_PROXIES"),
        ("METRICS_NETWORKS=10.0.0.0/33", "METRICS_NETWORKS"),
        ("MODE: production", "NAME=value"),
    ],
)
def test_a_wrong_setting_of_any_service_is_named_before_anything_starts(
    line: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    (tmp_path / ".env").write_text(line)
    with pytest.raises(EngineError, match=words):
        plan.make_plan(workers=None, port=None, queue=None, places=Places(tmp_path / "var"))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"children": one} for one in ("x", 5, [5], [[5]], [[5, "x"]], [["5", 1.0]], {"5": 1}, [[-1, 1.0]], None)),
        *({"port": one} for one in (99_999, -1, "80", 80.5, True, [80], None)),
        *({"host": one} for one in (5, ["127.0.0.1"], None)),
        *({"workers": one} for one in (0.5, -3, 10**30, "7", True, None)),
        *({"pools": one} for one in (5, "gpu=1:x", [5], {"gpu": 1}, None)),
        *({"queue": one} for one in ("kafka", 5, ["postgres"], None)),
        *({"state": one} for one in (5, None)),
        {"pid": "x", "error": 5, "code": [], "started_at": {}},
    ],
    ids=str,
)
def test_a_damaged_memory_of_the_last_start_is_no_reason_to_fail(
    wrong: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    for name in ("MODE", "QUEUE_BACKEND", "AMQP_URL", "PORT", "HTTP_PORT", "ML_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    places = Places(tmp_path / "var")
    places.make()
    write_json(places.engine_file, {"engine": "native", "queue": "postgres", "mode": "production", **wrong})
    made = plan.make_plan(workers=None, port=None, queue=None, places=places)
    assert (made.port, made.pools, made.mode) == (None, (), "production")
    assert 1 <= made.workers <= WORKERS_MAX
    assert "recovering" in supervisor.recover(places)[0]
    write_json(places.engine_file, {"engine": "native", "mode": "prod"})
    with pytest.raises(EngineError, match="MODE"):  # never the demo in silence
        plan.make_plan(workers=None, port=None, queue=None, places=places)


@pytest.mark.parametrize("wrong", ["gpu", "gpu=1", "dead=1:x", "gpu=1:x y"])
def test_a_remembered_pool_that_cannot_be_is_refused_in_a_sentence(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    monkeypatch.setattr(systemd, "PROJECT", places := Places(tmp_path / "var"))
    places.make()
    write_json(places.engine_file, {"engine": "native", "queue": "postgres", "pools": ["cpu=1:rules", wrong]})
    for start in (
        lambda: plan.make_plan(workers=None, port=None, queue=None, places=places),
        lambda: plan.named_models([], places),
        lambda: systemd.show(workers=None, port=None, queue=None),
    ):
        with pytest.raises(EngineError, match=r'^(A|The) pool .*var/engine\.json.* Correct "pools" there\.$'):
            start()


@pytest.mark.parametrize("where", ["environment", ".env", "services/ml_worker/.env"])
def test_the_models_that_need_an_environment_are_those_that_settings_or_pools_name(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    places = Places(tmp_path / "var")
    places.make()
    settings = {"MODELS": "+file-type, +entities-ru,elsewhere", "MODELS_LEFT_OUT": "elsewhere"}
    for name in settings:
        monkeypatch.delenv(name, raising=False)
    assert plan.named_models([], places) == set()
    if where == "environment":
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
    else:
        (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / where).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    assert plan.named_models([], places) == {"file-type", "entities-ru"}
    write_json(places.engine_file, {"engine": "native", "pools": ["gpu=1:whisper", "cpu=1:rules"]})
    asked = [pools.parse("gpu=2:whisper,elsewhere"), pools.parse("cpu=0")]
    assert plan.named_models(asked, places) == {"file-type", "entities-ru", "whisper", "elsewhere"}


def test_the_last_choices_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    for name in ("MODE", "QUEUE_BACKEND", "AMQP_URL", "HOST", "PORT", "HTTP_PORT", "ML_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    places = Places(tmp_path / "var")
    places.make()
    every = plan.make_plan(workers=None, port=None, queue=None, places=places).host
    last = {"queue": "postgres", "host": "127.0.0.1", "port": 8044, "workers": 7, "mode": "production"}
    write_json(places.engine_file, {"engine": "native", **last})
    made = plan.make_plan(workers=None, port=None, queue=None, places=places)
    assert {name: getattr(made, name) for name in last} == last
    assert plan.make_plan(workers=2, port=None, queue=None, places=places).workers == 2
    assert last["host"] != every
    monkeypatch.setenv("HOST", every)
    assert plan.make_plan(workers=None, port=None, queue=None, places=places).host == every
    monkeypatch.setenv("MODE", "demo")
    with pytest.raises(EngineError, match="those of MODE=production"):
        plan.make_plan(workers=None, port=None, queue=None, places=places)


def test_an_example_is_copied_once_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "services/bot"
    folder.mkdir(parents=True)
    (folder / ".env.example").write_text("# from @BotFather\nTELEGRAM_TOKEN=put-your-token-here\n")
    assert examples.copy_examples(tmp_path) == ["services/bot/.env"]
    (folder / ".env").write_text("TELEGRAM_TOKEN='123:abc'\n")
    assert examples.copy_examples(tmp_path) == []
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "examples:"),
        ([], 0, "examples:"),  # no terminal, no menu
        (["--doctor"], None, "Disk"),
        (["--systemd", "--workers", "2"], 0, "--workers 2"),
        (
            ["--systemd", "--pool", "gpu=1:whisper,sdxl", "--pool", "cpu=2:rules"],
            0,
            ' --pool "gpu=1:whisper,sdxl" --pool cpu=2:rules\n',  # after the port of the last start here
        ),
        (["--systemd", "--pool", "gpu=1"], 1, "The pool gpu has no models yet"),
        (["--systemd", "--engine", "docker"], 1, "native engine"),
        (["--workers", "0", "--start"], 2, "from 1 to 48"),
        (["--start", "--stop"], 2, "not allowed"),
        (["--nonsense"], 2, "nonsense"),
        (["--quiet"], 2, "Say what to do"),
        (["--start", "--engine", "docker"], 1, "--engine native"),
    ],
)
def test_each_command_line_is_answered_in_words(arguments: list[str], code: int | None, said: str) -> None:
    command = [sys.executable, "-m", "engine", *arguments]
    env = {**os.environ, "DOCKER_HOST": "unix:///nowhere"}  # whether or not an engine answers on this machine
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if code is not None:
        assert done.returncode == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["admin", "adjust", "anna", "-3", "--reason", "x"],
        ["admin", "adjust", "--", "anna", "-3"],
        ["backup", "--", "-x.dump"],
        ["status", "--json"],
        ["--help"],
        ["--cli", "--start"],
        [],
    ],
)
def test_arguments_after_cli_reach_the_command_unchanged(arguments: list[str]) -> None:
    options, rest = command_line.parse(["--engine", "native", "--cli", *arguments])
    assert (options.cli, rest, options.engine) == (arguments, [], "native")
    assert not options.json
    assert not options.start


def test_help_and_doctor_need_nothing_installed() -> None:
    for argument in ("--help", "--doctor", "--systemd"):
        script = "import sys; sys.argv = ['engine', sys.argv[1]]; from engine.__main__ import main; main()"
        done = subprocess.run(
            [sys.executable, "-S", "-c", script, argument], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr


def test_only_what_a_program_needs_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {
        "DATABASE_URL": "postgresql://elsewhere/db",
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "PGPORT": "6432",
        "PGSSLMODE": "verify-full",
        "PYTHONPATH": "/foreign",
        "PYTHONSAFEPATH": "1",
        "PYTHONIOENCODING": "ascii",
        "LD_PRELOAD": "x.so",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    passed = {"HTTPS_PROXY": "http://proxy", "LC_TIME": "ru_RU.UTF-8", "LOG_LEVEL": "DEBUG"}
    for name, value in {**foreign, **passed, "TELEGRAM_TOKEN": "1:x", "MODELS": "echo", "HF_TOKEN": "h"}.items():
        monkeypatch.setenv(name, value)
    made = plan.Plan(secrets={"jwt_secret": "x"})
    environments = {role: made.environment(role) for role in ("app", "bot", "worker", None)}
    for env in environments.values():
        assert not foreign.keys() & env.keys()
        assert passed.items() <= env.items()
    seen = {name: {role for role, env in environments.items() if name in env} for name in ("JWT_SECRET", "MODELS")}
    assert seen == {"JWT_SECRET": {"app"}, "MODELS": {"worker", None}}
    assert [role for role, env in environments.items() if "TELEGRAM_TOKEN" in env] == ["bot"]
