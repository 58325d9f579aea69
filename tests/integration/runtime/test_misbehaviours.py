"""A model that misbehaves costs one input at most: its neighbours are answered, and the caller reads what happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelLimits
from ml_service.runtime.model_answers import Failure, Success
from tests.support.hosts import running
from tests.support.misbehaviours import MISBEHAVIOURS, SUCCESS, UNLOADABLE, Misbehaviour

pytestmark = pytest.mark.slow

LIMITS = ModelLimits(backoff_s_min=0.05, backoff_s_max=30, close_grace_s=0.2)
BATCH = ['{"text":"first"}', '{"text":"bad"}', '{"text":"last"}']


def rows(*, unloadable: bool) -> list[ParameterSet]:
    """Rows of the table. Forms of `predict` for one input repeat what others do, and what hangs takes seconds: slow."""
    return [
        pytest.param(
            one,
            marks=[pytest.mark.slow] if one.predict or (one.code == "model_timeout" and one.name != "hangs") else [],
            id=one.model,
        )
        for one in MISBEHAVIOURS
        if (one.code == UNLOADABLE) == unloadable
    ]


def source_of(one: Misbehaviour, folder: Path) -> ModelSource:
    (folder / one.model).mkdir()
    path = folder / one.model / "model.py"
    path.write_bytes(one.source)
    return ModelSource(one.model, path)


@pytest.mark.parametrize("one", rows(unloadable=False))
async def test_one_input_at_most_fails_and_says_why(one: Misbehaviour, tmp_path: Path) -> None:
    async with running(source_of(one, tmp_path), LIMITS) as host:
        assert host.ready, host.error
        first, bad, last = await host.predict(BATCH)
        assert isinstance(first, Success), first
        assert isinstance(last, Success), last
        assert (bad.code if isinstance(bad, Failure) else SUCCESS) == one.code, bad
        if isinstance(bad, Failure):
            assert one.says in bad.message
            assert "\n" not in bad.message
            assert "secret" not in bad.message
        if "its-own-f" not in one.model:  # a model without its file is not started again; while it lives it answers
            (again,) = await host.predict(BATCH[:1])
            assert isinstance(again, Success), again


@pytest.mark.parametrize("one", rows(unloadable=True))
async def test_a_model_that_cannot_be_loaded_says_why(one: Misbehaviour, tmp_path: Path) -> None:
    async with running(source_of(one, tmp_path), LIMITS) as host:
        assert host.state == "failed"
        assert one.says in host.error
        assert "\n" not in host.error


def test_there_are_more_than_sixty_kinds() -> None:
    assert len({one.name for one in MISBEHAVIOURS}) == len(MISBEHAVIOURS) > 60
