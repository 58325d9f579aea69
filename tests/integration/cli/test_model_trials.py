"""What a command that tries a model leaves behind: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ml_service.cli.model_trials import on_trial
from tests.support.waiting import until

MODEL = """
import pathlib, subprocess
from pydantic import BaseModel
from ml_service.runtime.author import Model

class Answer(BaseModel):
    said: str

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."
    examples = [{"text": "hello"}]

    def load(self) -> None:
        helper = subprocess.Popen(["/bin/sleep", "297"], start_new_session=True)
        pathlib.Path(FILE).write_text(str(helper.pid))

    def predict(self, text: str) -> Answer:
        return Answer(said=text)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a helper in a session of its own stays")


@pytest.fixture
def other_child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "297"]) as process:
        yield process
        process.kill()


def adopts() -> bool:
    """Whether a program whose parent has ended becomes a child of this process."""
    command = ["/bin/sh", "-c", "/bin/sleep 60 > /dev/null & echo $!"]
    left = psutil.Process(int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    is_ours = left.ppid() == os.getpid()
    left.kill()
    return is_ours


async def test_a_helper_that_a_model_started_ends_with_the_trial_and_no_other_child_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_child: subprocess.Popen[bytes]
) -> None:
    monkeypatch.setenv("MODELS_FOLDER", str(tmp_path))
    monkeypatch.setenv("SETTINGS_FOLDER", "/nowhere")
    (tmp_path / "mine").mkdir()
    file = tmp_path / "helper"
    (tmp_path / "mine/model.py").write_text(MODEL.replace("FILE", repr(str(file))))
    async with on_trial("mine") as host:
        assert host.state == "ready"
        helper = int(file.read_text())
        assert psutil.pid_exists(helper)
    await until(lambda: not psutil.pid_exists(helper))
    assert other_child.poll() is None
    assert not adopts(), "afterwards this process may start what it likes"
