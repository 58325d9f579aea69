"""A model with a requirements.txt gets its packages in an environment of its own; the others never see them."""

from __future__ import annotations

import argparse
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from engine.command_line import MODEL_TRIAL_OPTIONS, MODEL_TRIALS
from engine.common import pip_environment
from engine.common.state import Places, supervisor_lock
from engine.native import lifecycle, model_environments
from ml_service.cli import models
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.model_answers import Success
from tests.support.hosts import running
from tests.support.pip_wishes import ELSEWHERE, tell_pip
from tests.support.wheels import write_wheel

pytestmark = pytest.mark.slow

MODEL = """
import numpy, tiny
from pydantic import BaseModel
from ml_service.runtime.author import Model

class Answer(BaseModel):
    said: str

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."

    def predict(self, text: str) -> Answer:
        return Answer(said=f"{text} {tiny.WORD} {numpy.array([1.0]).sum()}")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELS_FOLDER", str(tmp_path / "models"))
    places = Places(tmp_path / "var")
    places.make()
    monkeypatch.setattr(model_environments, "PROJECT", places)
    mine = tmp_path / "models" / "mine"
    mine.mkdir(parents=True)
    (mine / "model.py").write_text(MODEL)
    (mine / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    return mine


async def said(folder: Path) -> str:
    limits = ModelLimits(environments=model_environments.folder())
    async with running(ModelSource("mine", folder / "model.py"), limits) as host:
        if not host.ready:
            return host.error
        (answer,) = await host.predict(['{"text": "hello"}'])
    assert isinstance(answer, Success), answer
    return answer.output_json


async def test_its_packages_are_there_for_it_alone_and_follow_its_requirements(folder: Path) -> None:
    assert "needs the Python package 'tiny', not installed here" in await said(folder)
    write_wheel(folder, "one")
    model_environments.ensure_all(())
    assert await said(folder) == '{"said":"hello one 1.0"}'
    stamp = model_environments.folder() / "mine" / "requirements.sha256"
    began = stamp.stat().st_mtime_ns
    model_environments.ensure(["mine"])
    assert stamp.stat().st_mtime_ns == began, "a second start installs nothing"
    write_wheel(folder, "two")
    (folder / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl  # another one\n")
    model_environments.ensure_all(())
    assert await said(folder) == '{"said":"hello two 1.0"}'
    (folder / "requirements.txt").unlink()
    model_environments.ensure_all(())
    assert not stamp.parent.exists()


async def test_what_cannot_be_installed_is_said_and_holds_nothing_up(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "requirements.txt").write_text("./no-such-file-1.0-py3-none-any.whl\n")
    model_environments.ensure_all(())
    assert "What the model mine needs cannot be installed" in capsys.readouterr().out
    assert "needs the Python package 'tiny'" in await said(folder)


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_its_packages_are_in_it_whatever_pip_is_told_to_do_elsewhere(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_pip(name, folder.parent, monkeypatch)
    write_wheel(folder, "one")
    model_environments.ensure_all(())
    assert await said(folder) == '{"said":"hello one 1.0"}'


def test_an_environment_whose_packages_are_elsewhere_is_not_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(folder, "one")
    told = {**pip_environment.variables([sys.executable, "-m", "pip"]), "PIP_TARGET": str(folder.parent / "target")}
    monkeypatch.setattr(model_environments, "variables", lambda _: told)
    model_environments.ensure_all(())
    assert not (model_environments.folder() / "mine").exists()
    assert "elsewhere" in (shown := capsys.readouterr().out)
    assert "tiny" in shown


async def test_two_terminals_do_not_install_into_one_environment_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(folder, "one")
    with ThreadPoolExecutor(2) as terminals:
        list(terminals.map(lambda ensure: ensure(["mine"]), [model_environments.ensure_all, model_environments.ensure]))
    assert capsys.readouterr().out.count("  installing what the model mine needs") == 1
    assert await said(folder) == '{"said":"hello one 1.0"}'


def test_a_bundled_model_has_an_environment_while_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = folder.parent.parent / "bundled"
    (bundled / "old_maps").mkdir(parents=True)
    monkeypatch.setattr(model_environments, "BUNDLED_FOLDER", bundled)
    write_wheel(bundled / "old_maps", "one", requires="no-such-package-anywhere")
    digest = hashlib.sha256((bundled / "old_maps" / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    lock = bundled / "old_maps" / "requirements.txt"
    lock.write_text("./tiny-1.0-py3-none-any.whl\n")
    (folder / "requirements.txt").unlink()
    stamp = model_environments.folder() / "old-maps" / "requirements.sha256"
    model_environments.ensure_all(["mine"])
    assert not stamp.exists(), "nobody names it"
    model_environments.ensure_all(["old-maps"])
    assert not stamp.exists(), "its lock has no hash"
    lock.write_text(f"./tiny-1.0-py3-none-any.whl --hash=sha256:{digest}\n")
    model_environments.ensure_all(["old-maps"])
    assert stamp.exists(), "what the package requires is not installed"
    model_environments.ensure_new([])
    assert stamp.exists(), "nothing is taken away from a model that is served"
    model_environments.ensure_all([])
    assert not stamp.parent.exists(), "nobody names it any more"
    model_environments.ensure(["old-maps"])
    assert stamp.exists(), "a command tries it"
    (folder.parent / "old_maps").mkdir()
    model_environments.ensure_all(["old-maps"])
    assert not stamp.exists(), "a model of one's own has taken its place, and needs nothing"


@pytest.mark.parametrize("before", ["nothing", "another one", "a folder as earlier"])
def test_a_restart_makes_all_environments_before_it_stops_and_changes_none(
    before: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(folder, "one")
    link, made = model_environments.folder() / "mine", model_environments.folder() / ".mine"
    if before == "another one":
        model_environments.ensure(["mine"])
        (folder / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl  # another one\n")
    elif before == "a folder as earlier":
        (link / "bin").mkdir(parents=True)
    seen = []

    def look(step: str) -> int:
        new = made / model_environments._digest(folder / "requirements.txt")
        seen.append((step, (new / "requirements.sha256").exists(), link.resolve()))
        return 0

    for name, instead in {
        "lock_holder": lambda _places: 1,
        "_check_start": lambda _options: None,
        "stop": lambda: look("stop"),
        "start": lambda _options: look("start"),
        "named_models": lambda _pools: set(),
    }.items():
        monkeypatch.setattr(lifecycle, name, instead)
    was, were = link.resolve(), {*made.glob("*/")}
    lifecycle.restart(argparse.Namespace(pool=[]))
    assert seen == [("stop", True, was), ("start", True, was)]
    new, *others = {*made.glob("*/")} - were
    assert others == []
    model_environments.ensure_all(())
    assert link.resolve() == new.resolve()
    assert {*made.glob("*/")} == {new}, "at a start no process runs from another one"


def python_of(folder: Path) -> Path:
    return Path(ModelLimits(environments=model_environments.folder()).python_of(folder.name))


async def test_a_served_model_keeps_its_environment_until_another_one_is_whole(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(folder, "one")
    model_environments.ensure(["mine"])
    served_from = python_of(folder)
    right = (folder / "requirements.txt").read_text()
    (folder / "requirements.txt").write_text("./no-such-file-1.0-py3-none-any.whl\n")
    model_environments.ensure(["mine"])
    assert "What the model mine needs cannot be installed" in capsys.readouterr().out
    assert (python_of(folder), served_from.exists()) == (served_from, True)
    assert await said(folder) == '{"said":"hello one 1.0"}'
    write_wheel(folder, "two")
    (folder / "requirements.txt").write_text(right)
    model_environments.ensure(["mine"])
    assert await said(folder) == '{"said":"hello two 1.0"}', "what lies in the file has changed"
    assert served_from.exists(), "a process may still run from it"
    assert python_of(folder) != served_from
    model_environments.ensure_all(())
    assert not served_from.exists(), "at a start no process does"
    assert await said(folder) == '{"said":"hello two 1.0"}'


async def test_an_environment_that_is_a_folder_as_earlier_is_made_again(folder: Path) -> None:
    write_wheel(folder, "one")
    old = model_environments.folder() / "mine"
    (old / "bin").mkdir(parents=True)
    (old / "requirements.sha256").write_text("a hash")
    with supervisor_lock(model_environments.PROJECT):
        model_environments.ensure(["mine"])
    assert (old / "bin").is_dir(), "processes run from it"
    assert not old.is_symlink()
    model_environments.ensure(["mine"])
    assert await said(folder) == '{"said":"hello one 1.0"}'


def test_a_change_of_an_included_file_is_installed(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "more.txt").write_text("-r ../base.txt\n")
    (folder / "base.txt").write_text("# nothing\n")
    (folder / "requirements.txt").write_text("-r sub/more.txt\n")
    model_environments.ensure(["mine"])
    before = python_of(folder)
    model_environments.ensure(["mine"])
    assert python_of(folder) == before
    (folder / "base.txt").write_text("# something else\n")
    model_environments.ensure(["mine"])
    assert python_of(folder) != before


@pytest.mark.parametrize(
    "line",
    ["-r base.txt", "-rbase.txt", "--requirement=base.txt", "-c base.txt", "-r sub/../requirements.txt\n-r base.txt"],
)
def test_an_environment_is_another_one_where_an_included_file_is(folder: Path, line: str) -> None:
    (folder / "sub").mkdir()
    requirements = folder / "requirements.txt"
    requirements.write_text(f"# a comment\n{line}\n" + "x" * 5000)
    digests = {model_environments._digest(requirements)}
    for text in ("# nothing\n", "# something else\n"):
        (folder / "base.txt").write_text(text)
        digests.add(model_environments._digest(requirements))
    assert len(digests) == 3


def test_an_environment_is_the_same_whatever_a_comment_names(folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("# for model.py\n./tiny-1.0-py3-none-any.whl  # -r model.py\n\t#model.py\n")
    digests = set()
    for text in ("# nothing\n", "# something else\n"):
        (folder / "model.py").write_text(text)
        digests.add(model_environments._digest(requirements))
    assert len(digests) == 1


def test_what_is_included_is_beside_the_link_that_the_requirements_are(folder: Path) -> None:
    """As pip looks for it."""
    requirements = folder / "requirements.txt"
    (folder.parent / "all.txt").write_text("-r base.txt\n")
    requirements.unlink()
    requirements.symlink_to("../all.txt")
    digests = set()
    for text in ("# nothing\n", "# something else\n"):
        (folder / "base.txt").write_text(text)
        digests.add(model_environments._digest(requirements))
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["models", "check", "mine"], ["mine"]),
        (["models", "run", "mine", "--input", "x"], ["mine"]),
        (["models", "run", "--input", "hello", "mine"], ["mine"]),
        (["models", "run", "--input=hello", "--", "mine"], ["mine"]),
        (["models", "run", "--input"], []),
        (["models", "check", "mine", "--help"], []),
        (["models", "check"], []),
        (["models"], []),
        (["models", "bench", "+entities-ru"], ["entities-ru"]),
        (["models", "restart", "mine", "--one"], ["mine"]),
        (["models", "list"], []),
        (["models", "new", "mine"], []),
        (["audit"], []),
    ],
)
def test_a_command_that_tries_a_model_prepares_that_one(words: list[str], names: list[str]) -> None:
    assert model_environments.tried(words) == names


def test_the_options_of_these_commands_that_have_a_value_are_known() -> None:
    group = get_command(models.app)
    assert isinstance(group, TyperGroup)
    options = [one for name in MODEL_TRIALS for one in group.commands[name].params if isinstance(one, TyperOption)]
    assert {name for one in options if not one.is_flag for name in one.opts} == {*MODEL_TRIAL_OPTIONS}
