"""The docker engine, by programs that answer as Docker and Compose do."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import command_line
from engine.common import output
from engine.common.errors import EngineError
from engine.common.state import Places, read_engine, write_json
from engine.docker import commands, compose, containers, settings
from engine.docker.containers import Container
from engine.native import plan
from tests.support.docker_programs import V1, V2, Programs

NGINX = {
    "Id": "a" * 64,
    "Config": {"Labels": {"com.docker.compose.service": "nginx"}},
    "State": {"Status": "running", "ExitCode": 0, "Pid": 1, "StartedAt": "2026-11-27T10:00:00.123456789Z"},
    "RestartCount": 0,
    "HostConfig": {"PortBindings": {"8080/tcp": [{"HostIp": "192.168.1.5", "HostPort": "8080"}]}},
}
Wanted = Callable[..., dict[str, Any]]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    made = Programs(tmp_path / "bin")
    made.folder.mkdir()
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    compose.found.cache_clear()
    yield made
    compose.found.cache_clear()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A state folder, for both engines."""
    made = Places(tmp_path / "var")
    made.make()
    for module in (commands, compose, settings, plan):
        monkeypatch.setattr(module, "PROJECT", made)
    return made


@pytest.fixture
def wanted(places: Places, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    """What a start would be with, after another one and with settings; ``last`` is what the other one recorded."""

    def act(
        *arguments: str, last: dict[str, Any] | None = None, running: Sequence[Container] = (), **asked: str
    ) -> dict[str, Any]:
        write_json(places.engine_file, {"engine": "docker", **(last or {})})
        monkeypatch.setattr(compose, "asked", lambda: asked)
        return settings.wanted(command_line.parse(["--restart", *arguments])[0], running)

    return act


def test_a_warning_of_compose_hides_nothing_of_what_is_asked_for(programs: Programs) -> None:
    programs.plugin(V2)
    assert compose.asked() == {
        "HTTP_PORT": "127.0.0.1:8080",
        "ML_WORKERS": "4",
        "MODE": "production",
        "NGINX_IMAGE": "registry.example:5000/nginx@sha256:0f",
    }


def test_the_old_compose_is_asked_in_words_that_it_knows(programs: Programs) -> None:
    programs.old_compose(V1)
    assert compose.asked() == {
        "HTTP_PORT": "[::1]:8080",
        "ML_WORKERS": "4",
        "MODE": "production",
        "NGINX_IMAGE": "registry.example:5000/nginx@sha256:0f",
    }


@pytest.mark.parametrize(
    ("answer", "code"), [("", 15), ("", 0), (V2, 1), (V2.replace("      MODE: production\n", ""), 0), ("{}", 0)]
)
def test_an_answer_that_is_not_understood_is_no_reason_to_guess(programs: Programs, answer: str, code: int) -> None:
    programs.plugin(answer, warning="failed to read .env: line 3: unexpected character", code=code)
    with pytest.raises(EngineError, match=r"(?s)Compose cannot read its files: .*line 3"):
        compose.asked()


def test_a_folder_that_compose_cannot_read_is_left_by_renaming_it_or_without_containers(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Compose takes the folder for a part of a URL, where ``% `` is no escape (seen with 2.40)."""
    folder = tmp_path / "100% mine"
    folder.mkdir()
    monkeypatch.setattr(compose, "ROOT", folder)
    programs.plugin("", warning=f'parse "file://{folder}/compose-spec.json": invalid URL escape "% m"', code=15)
    with pytest.raises(EngineError, match=r"(?s)invalid URL escape.*rename the folder.*--engine native"):
        compose.asked()


def test_a_warning_of_docker_hides_nothing_of_the_status(programs: Programs) -> None:
    programs.write(
        "docker", """echo 'WARNING: the file ~/.docker/config.json cannot be read' >&2\necho '{"open": 3}'"""
    )
    app = Container("1", "app-1", "app", "running", None, 0, 1, 0, None)
    assert commands._inside([app]) == {"open": 3}


@pytest.mark.parametrize("asked", ["demo", "DEMO", "Demo"])
@pytest.mark.parametrize(
    ("engine", "last"), [("docker", "production"), ("docker", "PRODUCTION"), ("native", "production")]
)
def test_the_demo_is_refused_on_productions_data_however_it_is_spelled(
    engine: str, asked: str, last: str, wanted: Wanted, places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=r"those of MODE=production"):
        if engine == "docker":
            wanted(MODE=asked, last={"mode": last})
        else:
            monkeypatch.setattr(plan, "ROOT", tmp_path)
            monkeypatch.setenv("MODE", asked)
            write_json(places.engine_file, {"engine": "native", "queue": "postgres", "mode": last})
            plan.make_plan(workers=None, port=None, queue=None, places=places)


@pytest.mark.parametrize(
    ("asked", "last", "mode"),
    [
        ("Production", None, "production"),
        (None, "PRODUCTION", "production"),
        ("PRODUCTION", "demo", "production"),
        ("DEMO", "demo", "demo"),
        (None, "demo", None),  # a service's own file may ask for production
        (None, None, None),
    ],
)
def test_a_mode_is_kept_in_one_spelling(asked: str | None, last: str | None, mode: str | None, wanted: Wanted) -> None:
    given = {"MODE": asked} if asked else {}
    assert wanted(last={"mode": last} if last else {}, **given)["mode"] == mode


@pytest.mark.parametrize(("asked", "last"), [("prod", "production"), ("prod", None), (None, "prod"), (None, 5)])
def test_an_unknown_mode_is_refused(asked: str | None, last: object, wanted: Wanted) -> None:
    given = {"MODE": asked} if asked else {}
    with pytest.raises(EngineError, match=r"it can be demo or production\.$"):
        wanted(last={} if last is None else {"mode": last}, **given)


REFUSED = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--stop"],
        ["--cli", "audit"],
        ["--cli", "backup", "x.dump"],
        ["--logs"],
        ["--logs", "app"],
        ["--restart"],
        ["--workers", "2"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("docker", "words"),
    [
        (f"echo '{REFUSED}' >&2; exit 1", "this user may not talk to Docker"),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "no Docker engine answers"),
        ('[ "$1" = info ] && exit\necho "context deadline exceeded" >&2; exit 1', "context deadline exceeded"),
    ],
)
def test_no_command_takes_a_docker_that_does_not_answer_for_one_without_containers(
    arguments: list[str], docker: str, words: str, programs: Programs, wanted: Wanted
) -> None:
    wanted()
    programs.write("docker", f'[ "$*" = "compose version" ] && exit\n{docker}')
    with pytest.raises(EngineError, match=f"^The containers cannot be seen: .*{words}"):
        commands.run(command_line.parse(arguments)[0])
    assert not commands.is_running()


def test_a_status_that_is_not_known_is_no_stop(
    programs: Programs, wanted: Wanted, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted()
    programs.write("docker", f"echo '{REFUSED}' >&2; exit 1")
    assert commands.status(as_json=False) == output.EXIT_NOT_RUNNING
    assert "The containers cannot be seen: this user may not talk to Docker" in capsys.readouterr().out
    assert commands.status(as_json=True) == output.EXIT_NOT_RUNNING
    said = json.loads(capsys.readouterr().out)
    assert said["state"] == "unknown"
    assert "may not talk to Docker" in said["error"]


def test_a_container_that_goes_while_one_looks_hides_no_other(programs: Programs) -> None:
    (programs.folder / "nginx").write_text(json.dumps([NGINX]))
    programs.write(
        "docker", f'[ "$1" = ps ] && {{ echo 1; echo 2; exit; }}\ncat {programs.folder}/nginx\necho gone >&2; exit 1'
    )
    assert [one.name for one in containers.of(Path("/anywhere"))] == ["nginx"]


CLOSED = {"host": "127.0.0.1", "port": 8080}


@pytest.mark.parametrize(
    ("arguments", "last", "asked", "published"),
    [
        ([], {}, {}, None),
        ([], {}, {"HTTP_PORT": "8080"}, "8080"),
        ([], {}, {"HTTP_PORT": "127.0.0.1:8080"}, "127.0.0.1:8080"),
        ([], {}, {"HTTP_PORT": "8080", "HOST": "127.0.0.1"}, "127.0.0.1:8080"),
        ([], {}, {"HTTP_PORT": "[::1]:8080"}, "[::1]:8080"),
        (["--port", "81"], {}, {"HTTP_PORT": "127.0.0.1:8080"}, "127.0.0.1:81"),
        ([], CLOSED, {}, "127.0.0.1:8080"),
        (["--port", "81"], CLOSED, {}, "127.0.0.1:81"),
        ([], CLOSED, {"HTTP_PORT": "81"}, "127.0.0.1:81"),
        ([], CLOSED, {"HTTP_PORT": "10.0.0.1:81"}, "10.0.0.1:81"),
        ([], CLOSED, {"HOST": "0.0.0.0"}, "0.0.0.0:8080"),  # noqa: S104 - a text
        ([], {"host": "::1", "port": 8080}, {}, "[::1]:8080"),
        ([], {"host": "", "port": 8080}, {}, "8080"),
    ],
)
def test_a_host_holds_until_settings_name_another(
    arguments: list[str], last: dict[str, Any], asked: dict[str, str], published: str | None, wanted: Wanted
) -> None:
    assert settings.environment(wanted(*arguments, last=last, **asked)).get("HTTP_PORT") == published


def test_what_runs_counts_more_than_the_last_start(wanted: Wanted) -> None:
    """Somebody may have started it by Compose itself."""
    running = [containers._read(NGINX)]
    assert settings.environment(wanted(running=running))["HTTP_PORT"] == "192.168.1.5:8080"
    assert settings.environment(wanted(running=running, last=CLOSED))["HTTP_PORT"] == "192.168.1.5:8080"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1 ", "127.0.0", 5, ["127.0.0.1"], "1:2"])
def test_a_host_that_is_not_understood_opens_nothing(host: Any, wanted: Wanted) -> None:
    with pytest.raises(EngineError, match="cannot be published at"):
        wanted(last={"host": host, "port": 8080})
    with pytest.raises(EngineError, match="cannot be published at"):
        wanted(HTTP_PORT=f"{host}:8080")


@pytest.mark.parametrize("port", ["70000", "-1", "80a", "8080-8090"])
def test_a_port_that_cannot_be_is_refused(port: str, wanted: Wanted) -> None:
    with pytest.raises(EngineError, match="HTTP_PORT is "):
        wanted(HTTP_PORT=f"127.0.0.1:{port}")


def test_a_host_is_remembered_from_one_start_to_the_next(
    wanted: Wanted, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = wanted(HTTP_PORT="127.0.0.1:8080")
    monkeypatch.setattr(commands, "collect", lambda: {"mode": "demo"})
    monkeypatch.setattr(output, "summary", lambda *_: None)
    commands._started(first)
    assert settings.environment(wanted(last=read_engine(places)))["HTTP_PORT"] == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("published", "address"),
    [("192.168.1.5", "http://192.168.1.5:8080"), ("127.0.0.1", "http://localhost:8080"), ("", "http://localhost:8080")],
)
def test_the_address_that_is_printed_is_where_nginx_listens(
    published: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = {**NGINX, "HostConfig": {"PortBindings": {"8080/tcp": [{"HostIp": published, "HostPort": "8080"}]}}}
    monkeypatch.setattr(containers, "of", lambda _root: [containers._read(described)])
    status = commands.collect()
    assert status is not None
    assert (status["address"], status["host"], status["port"]) == (address, published or "0.0.0.0", 8080)  # noqa: S104


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({}, ""),
        ({"HTTP_PORT": "8080"}, ""),
        ({"HTTP_PORT": "127.0.0.1:8080"}, "It runs at 192.168.1.5, not at 127.0.0.1. .* start.py --restart"),
        ({"HTTP_PORT": "81"}, "It runs with port 8080. .* --port 81"),
    ],
)
def test_another_address_than_that_which_runs_is_refused(
    asked: dict[str, str], refused: str, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [containers._read(NGINX)]
    monkeypatch.setattr(commands, "_started", lambda _wanted: 0)
    options = command_line.parse(["--start"])[0]
    with pytest.raises(EngineError, match=refused) if refused else contextlib.nullcontext():
        assert commands._already_running(options, wanted(running=running, **asked), running) == 0


@pytest.mark.parametrize("failing", ["build", "down", "up", ""])
def test_a_restart_stops_nothing_before_the_images_are_built(
    failing: str, wanted: Wanted, places: Places, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted(last={"state": "started"})
    programs.write("docker", "exit")  # why_not: it can be used
    done: list[str] = []

    def run(*arguments: str, **_: object) -> None:
        done.append(arguments[0])
        if arguments[0] == failing:
            raise EngineError(f"`docker compose {failing}` failed")

    monkeypatch.setattr(compose, "run", run)
    monkeypatch.setattr(containers, "of", lambda _root: [containers._read(NGINX)])
    monkeypatch.setattr(commands, "copy_examples", list)
    monkeypatch.setattr(commands, "_started", lambda _wanted: 0)
    with pytest.raises(EngineError, match=failing) if failing else contextlib.nullcontext():
        commands.run(command_line.parse(["--restart"])[0])
    steps = ["build", "down", "up"]
    assert done == (steps[: steps.index(failing) + 1] if failing else steps)
    states = {"build": "started", "down": "started", "up": "starting", "": "starting"}
    assert read_engine(places)["state"] == states[failing]


def test_a_start_goes_on_where_docker_is_too_busy_for_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([["starting"], ["starting"], None, None, ["starting"], ["healthy"]])

    def of(_: Path) -> list[Container]:
        if (health := next(looks, None)) is None:
            raise EngineError("The containers cannot be seen: context deadline exceeded")
        return [Container("1", "app-1", "app", "running", one, 0, 1, 0, None) for one in health]

    def fail(*_: str, **__: object) -> None:
        raise EngineError("Compose says why")

    monkeypatch.setattr(containers, "of", of)
    monkeypatch.setattr(compose, "POLL_S", 0)
    monkeypatch.setattr(compose, "run", lambda *_, **more: more["meanwhile"]() and None)
    commands._up(["-d"], {"host": "", "port": 8080})
    assert list(looks) == []
    monkeypatch.setattr(compose, "run", fail)
    with pytest.raises(EngineError, match="Compose says why"):
        commands._up(["-d"], {"host": "", "port": 8080})
