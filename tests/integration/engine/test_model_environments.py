"""A model with a requirements.txt gets its packages in an environment of its own; the others never see them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from engine.common.state import Places
from engine.native import model_environments
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.model_answers import Success
from tests.support.hosts import running

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


def write_wheel(folder: Path, word: str) -> None:
    """A package in a file, as small as one can be: nothing is fetched or built."""
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", f"WORD = {word!r}\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


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
    model_environments.ensure()
    assert await said(folder) == '{"said":"hello one 1.0"}'
    stamp = model_environments.folder() / "mine" / "requirements.sha256"
    began = stamp.stat().st_mtime_ns
    model_environments.ensure(["mine"])
    assert stamp.stat().st_mtime_ns == began, "a second start installs nothing"
    write_wheel(folder, "two")
    (folder / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl  # another one\n")
    model_environments.ensure()
    assert await said(folder) == '{"said":"hello two 1.0"}'
    (folder / "requirements.txt").unlink()
    model_environments.ensure()
    assert not stamp.parent.exists()


async def test_what_cannot_be_installed_is_said_and_holds_nothing_up(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "requirements.txt").write_text("./no-such-file-1.0-py3-none-any.whl\n")
    model_environments.ensure()
    assert "What the model mine needs cannot be installed" in capsys.readouterr().out
    assert "needs the Python package 'tiny'" in await said(folder)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["models", "check", "mine"], ["mine"]),
        (["models", "run", "mine", "--input", "x"], ["mine"]),
        (["models", "list"], []),
        (["models", "new", "mine"], []),
        (["audit"], []),
    ],
)
def test_a_command_that_tries_a_model_prepares_that_one(words: list[str], names: list[str]) -> None:
    assert model_environments.tried(words) == names
