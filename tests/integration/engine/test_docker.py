"""The docker engine, by programs that answer as Docker and Compose do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import command_line
from engine.common import output
from engine.common.errors import EngineError
from engine.common.state import Places, write_json
from engine.docker import commands, compose, containers, settings
from engine.docker.containers import Container
from engine.native import plan

WARNING = (
    r'time="2026-11-27T17:33:33Z" level=warning msg="The \"def\" variable is not set. Defaulting to a blank string."'
)
V2 = """\
name: project
services:
  asked:
    environment:
      HOST: ""
      HTTP_PORT: 127.0.0.1:8080
      ML_WORKERS: "4"
      MODE: production
      NGINX_IMAGE: registry.example:5000/nginx@sha256:0f
      POSTGRES_IMAGE: ""
      PYTHON_IMAGE: ""
      RABBITMQ_IMAGE: ""
      RABBITMQ_UI_PORT: ""
    image: asked
    networks:
      default: null
networks:
  default:
    name: project_default
"""
V1 = """\
services:
  asked:
    environment:
      HOST: ''
      HTTP_PORT: '[::1]:8080'
      ML_WORKERS: '4'
      MODE: production
      NGINX_IMAGE: registry.example:5000/nginx@sha256:0f
      POSTGRES_IMAGE: ''
      PYTHON_IMAGE: ''
      RABBITMQ_IMAGE: ''
      RABBITMQ_UI_PORT: ''
    image: asked
version: '3.9'

"""
V1_HELP = """\
Validate and view the Compose file.

Usage: config [options]

Options:
    --resolve-image-digests  Pin image tags to digests.
    --no-interpolate         Don't interpolate environment variables.
    -q, --quiet              Only validate the configuration, don't print
                             anything.
    --profiles               Print the profile names, one per line.
    --services               Print the service names, one per line.
    --volumes                Print the volume names, one per line.
"""


NGINX = {
    "Id": "a" * 64,
    "Config": {"Labels": {"com.docker.compose.service": "nginx"}},
    "State": {"Status": "running", "ExitCode": 0, "Pid": 1, "StartedAt": "2026-11-27T10:00:00.123456789Z"},
    "RestartCount": 0,
    "HostConfig": {"PortBindings": {"8080/tcp": [{"HostIp": "192.168.1.5", "HostPort": "8080"}]}},
}
Wanted = Callable[..., dict[str, Any]]


class Programs:
    """Small programs that are found first on the PATH; each does what its lines of shell say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, script: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def plugin(self, answer: str, *, warning: str = WARNING, code: int = 0) -> None:
        """Compose v2, which answers this to `config`."""
        (self.folder / "answer").write_text(answer)
        (self.folder / "warning").write_text(warning)
        self.write(
            "docker",
            f'[ "$*" = "compose version" ] && exit\n[ "$*" = "compose -f - config" ] || exit 9\n'
            f"cat {self.folder}/warning >&2\ncat {self.folder}/answer\nexit {code}",
        )

    def old_compose(self, answer: str) -> None:
        """docker-compose 1.29.2, which answers an option that it does not know with a help text."""
        (self.folder / "answer").write_text(answer)
        (self.folder / "help").write_text(V1_HELP)
        self.write("docker", "echo \"docker: 'compose' is not a docker command.\" >&2\nexit 1")
        self.write(
            "docker-compose",
            f'case "$*" in\nversion) ;;\n*--format*) cat {self.folder}/help >&2; exit 1 ;;\n'
            f'"-f - config") cat {self.folder}/answer ;;\n*) exit 9 ;;\nesac',
        )


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

    def act(*arguments: str, last: dict[str, Any] | None = None, **asked: str) -> dict[str, Any]:
        write_json(places.engine_file, {"engine": "docker", **(last or {})})
        monkeypatch.setattr(compose, "asked", lambda: asked)
        return settings.wanted(command_line.parse(["--restart", *arguments])[0])

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


def test_a_warning_of_docker_hides_nothing_of_the_status(programs: Programs) -> None:
    programs.write(
        "docker", """echo 'WARNING: the file ~/.docker/config.json cannot be read' >&2\necho '{"open": 3}'"""
    )
    app = Container("1", "app-1", "app", "running", None, 0, 1, 0, None, None)
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
