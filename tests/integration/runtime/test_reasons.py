"""What a model's host says of a model that cannot be loaded, or that fails on an input: enough for its author."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelLimits
from tests.support.hosts import running

MINE = """
from ml_service.runtime.author import Model

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."
    input_schema = {"type": "object"}
    output_schema = {"type": "object"}

    def load(self):
        LOAD

    def predict(self, inputs):
        PREDICT
"""


def mine(load: str = "pass", predict: str = "return inputs") -> str:
    return MINE.replace("LOAD", load).replace("PREDICT", predict)


async def test_the_password_in_an_address_is_not_part_of_the_reason(make_model: Callable[..., ModelSource]) -> None:
    failing = mine("raise OSError('no answer from postgresql://me:secret@db/weights')")
    async with running(make_model(failing), ModelLimits(backoff_s_min=30)) as host:
        assert "no answer from postgresql://…@db/weights (line " in host.error
        assert "secret" not in host.error


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package\n", "models/mine/model.py needs the Python package"),
        (mine("open(__file__.replace('model.py', 'weights.bin'))"), "directory: 'models/mine/weights.bin'"),
        (mine("raise OSError('nothing in /usr/share/weights.bin')"), "nothing in …/weights.bin"),
        (mine("open('/usr/lib/secret place/weights.bin')"), "No such file or directory: '…/weights.bin'"),
        (mine("from json import no_such"), "cannot import name 'no_such' from 'json' (…/__init__.py)"),
        (
            mine("raise OSError('POST /v1/chat/completions of https://api.test/v1/chat')"),
            "/v1/chat/completions of http",
        ),
    ],
)
async def test_the_place_of_the_service_on_its_machine_is_not_part_of_the_reason(
    make_model: Callable[..., ModelSource], source: str, reason: str
) -> None:
    made = make_model(source)
    async with running(made, ModelLimits(load_timeout_s=120, backoff_s_min=30)) as host:
        assert reason in host.error
        assert str(made.path.parents[2]) not in host.error
        assert "/usr/" not in host.error
