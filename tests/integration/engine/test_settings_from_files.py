"""What the engine itself reads of the settings, it reads from the project's files too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import EngineError
from engine.common.pools import Pool
from engine.common.state import Places
from engine.native import commands, model_environments, plan
from engine.native.fleet import Fleet
from engine.native.nodes import Nodes
from engine.native.service import Patience
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import load


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in which nothing runs."""
    for module in (commands, model_environments, plan):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("MODELS_FOLDER", "LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(commands.control, "ask", lambda *_: None)
    return tmp_path


@pytest.mark.parametrize("where", ["environment", ".env", "services/ml_worker/.env"])
@pytest.mark.parametrize("folder", ["mine", "/srv/models"])
def test_models_are_looked_for_where_the_workers_find_them(
    where: str, folder: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model_environments.models_folder() == root / "models"
    if where == "environment":
        monkeypatch.setenv("MODELS_FOLDER", folder)
    else:
        (root / where).parent.mkdir(parents=True, exist_ok=True)
        (root / where).write_text(f"MODELS_FOLDER={folder}\n")
    assert model_environments.models_folder() == root / folder
    given: dict[str, str] = {}

    def run_cli(_: Any, env: dict[str, str]) -> int:
        given.update(env)
        return 0

    monkeypatch.setattr(commands, "_run_cli", run_cli)
    assert commands.cli(["models", "list"]) == 0
    assert given["MODELS_FOLDER"] == str(root / folder)


def test_no_programs_environment_hides_what_a_file_says_of_its_log(root: Path) -> None:
    made = plan.Plan(cwd=root, secrets={"jwt_secret": "x"})
    assert not any("LOG_FORMAT" in made.environment(role) for role in ("app", "bot", "worker", None))


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


ADDRESSES = {"DATABASE_URL": "postgresql://app:x@db/ml", "AMQP_URL": "amqp://app:x@queue/"}


@pytest.mark.parametrize(("role", "file"), [("bot", "services/bot/.env"), ("worker", "services/ml_worker/.env")])
def test_a_services_own_addresses_count_more_than_the_apps(role: str, file: str, root: Path) -> None:
    put(root, file, "DATABASE_URL=postgresql://own:x@db/ml\nAMQP_URL=amqp://own:x@queue/\n")
    made = plan.Plan(cwd=root, queue="rabbitmq", database_url=ADDRESSES["DATABASE_URL"], amqp_url=ADDRESSES["AMQP_URL"])
    nodes = Nodes(made)
    for other in {"app", "bot", "worker", None} - {role}:
        assert ADDRESSES.items() <= nodes.environment(other).items()
    kind = BotSettings if role == "bot" else WorkerSettings
    seen = load(kind, folder=root, environment=nodes.environment(role), generated={"JWT_SECRET": "x"})
    assert (seen.database_url, seen.amqp_url.get_secret_value()) == ("postgresql://own:x@db/ml", "amqp://own:x@queue/")


async def test_what_the_workers_file_says_of_models_counts_also_beside_pools(root: Path) -> None:
    put(root, "services/ml_worker/.env", "MODELS_LEFT_OUT=whisper\nMODEL_ENVIRONMENTS_FOLDER=/srv/environments\n")
    places = Places(root / "var")
    places.make()
    said = "import json, os, sys; sys.stderr.write(json.dumps(dict(os.environ)))"
    made = plan.Plan(
        places=places,
        cwd=root,
        database_url=ADDRESSES["DATABASE_URL"],
        pools=(Pool("gpu", 1, ("sdxl",)),),
        commands=plan.Commands(worker=(sys.executable, "-c", said)),
    )
    fleet = Fleet(made, Nodes(made), listen_fd=0, port=1, patience=Patience(), on_event=lambda _: None)
    worker = fleet.add_worker(1).part
    try:
        assert worker.spawn().wait() == 0
    finally:
        worker.clean_up()
        worker.close()
    seen = load(WorkerSettings, folder=root, environment=json.loads(worker.log.read_text()))
    assert seen.models_left_out == "whisper,sdxl"
    assert seen.model_environments_folder == Path("/srv/environments")


FOR_MODELS = {
    "HSA_OVERRIDE_GFX_VERSION": "10.3.0",
    "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:64",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "RAYON_NUM_THREADS": "4",
    "TOKENIZERS_PARALLELISM": "true",
    "CURL_CA_BUNDLE": "/etc/ca.pem",
    "http_proxy": "http://proxy:3128",
}


@pytest.mark.parametrize("where", ["environment", ".env", "services/ml_worker/.env"])
def test_what_models_may_see_reaches_the_workers_and_nobody_else(
    where: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**FOR_MODELS, "MY_LICENCE": "x", "HF_TOKEN": "y", "UNNAMED": "z"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    if where == "environment":
        monkeypatch.setenv("MODEL_ENVIRONMENT", "MY_LICENCE, OTHER")
    else:
        put(root, where, "MODEL_ENVIRONMENT=MY_LICENCE, OTHER\n")
    made = plan.Plan(cwd=root)
    for role in ("worker", None):
        seen = made.environment(role)
        assert FOR_MODELS.items() <= seen.items()
        assert seen["MY_LICENCE"] == "x"
        assert {"HF_TOKEN", "UNNAMED"}.isdisjoint(seen)
    for role in ("app", "bot"):
        assert (given.keys() - {"http_proxy"}).isdisjoint(made.environment(role))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("HTTP_PORT=8080", None, 8080),
        ("HTTP_PORT=127.0.0.1:8080", "127.0.0.1", 8080),
        ("HTTP_PORT=[::1]:8080", "::1", 8080),
        ("HTTP_PORT=127.0.0.1:8080\nHOST=10.0.0.1", "10.0.0.1", 8080),
        ("PORT=8081", None, 8081),
    ],
)
def test_a_published_port_may_name_its_address(text: str, host: str | None, port: int, root: Path) -> None:
    put(root, ".env", text)
    places = Places(root / "var")
    places.make()
    asked = plan.read_wishes(workers=None, port=None, queue=None, places=places)
    assert (asked.host, asked.port) == (host, port)


@pytest.mark.parametrize("value", ["http", "0", "65536", "localhost:80", "1.2.3:80", "127.0.0.1:", "８０"])
def test_a_published_port_that_is_none_is_refused(value: str, root: Path) -> None:
    put(root, ".env", f"HTTP_PORT={value}\n")
    places = Places(root / "var")
    places.make()
    with pytest.raises(EngineError, match="HTTP_PORT: "):
        plan.read_wishes(workers=None, port=None, queue=None, places=places)
