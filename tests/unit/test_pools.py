"""Pools as the command line names them, and how they change what was started last."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import EngineError
from engine.common.output import _pool_lines
from engine.common.pools import Pool, changed_numbers, merged, parse
from ml_service.messaging.queue import CREATED, DEAD_LETTERS, queue_of
from ml_service.platform.settings.files import SettingsError
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import load
from ml_service.runtime.host.declarations import WrongDeclaration, declared_from

GPU, CPU = Pool("gpu", 1, ("whisper", "sdxl")), Pool("cpu", 2, ("language",))


def test_a_pool_is_read_as_it_is_written() -> None:
    assert parse("gpu=1:whisper,sdxl,whisper") == GPU
    assert parse(GPU.text) == GPU
    assert parse("gpu=0") == Pool("gpu", 0)


@pytest.mark.parametrize("text", ["gpu", "gpu=x:a", "gpu=1:", "gpu=1:A", "default=1:a", "gpu=49:a", "g-1=1:a", "=1:a"])
def test_what_is_no_pool_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|default|up to"):
        parse(text)


@pytest.mark.parametrize("name", ["dead", "created"])
def test_a_pool_is_refused_that_would_share_its_queue_with_the_service(name: str) -> None:
    why = "must not be dead or created, names that the service's own queues have"
    assert queue_of(name) in (DEAD_LETTERS, CREATED)
    with pytest.raises(ValueError, match=f"^the name of a pool {why}$"):
        parse(f"{name}=1:whisper")
    with pytest.raises(WrongDeclaration, match=f"pool {why}"):
        declared_from({"pool": name})
    with pytest.raises(SettingsError, match=f"^Wrong settings. WORKER_POOL: {why}$"):
        load(WorkerSettings, folder=Path("does-not-exist"), environment={"WORKER_POOL": name})


def test_what_is_asked_for_changes_the_pools_of_the_last_start() -> None:
    assert merged([GPU, CPU], []) == (GPU, CPU)
    assert merged([GPU, CPU], [Pool("gpu", 3), Pool("cpu", 0)]) == (Pool("gpu", 3, GPU.models),)
    assert merged([GPU], [Pool("gpu", 1, ("sdxl",))]) == (Pool("gpu", 1, ("sdxl",)),)
    with pytest.raises(EngineError, match="no models yet"):
        merged([], [Pool("gpu", 1)])
    with pytest.raises(EngineError, match="sdxl would be in the pools gpu and cpu"):
        merged([GPU], [Pool("cpu", 1, ("sdxl",))])


def test_only_numbers_change_without_a_restart() -> None:
    assert changed_numbers([GPU, CPU], []) == {}
    assert changed_numbers([GPU, CPU], [Pool("gpu", 4)]) == {"gpu": 4}
    for asked in (Pool("gpu", 0), Pool("gpu", 1, ("sdxl",)), Pool("more", 1, ("echo",))):
        with pytest.raises(EngineError, match="--restart --pool"):
            changed_numbers([GPU, CPU], [asked])


def test_status_shows_each_pool_with_its_models() -> None:
    def worker(id_: str, pool: str, **states: str) -> dict[str, object]:
        models = {name: {"state": state, "pool": pool} for name, state in states.items()}
        return {"id": id_, "is_alive": True, "model_states": models}

    workers = [worker("a", "default", x="ready"), worker("b", "default", x="sleeping"), worker("c", "gpu", y="ready")]
    dead = {**worker("d", "gpu", y="ready"), "is_alive": False}
    assert _pool_lines({"workers": [*workers, dead]}) == [
        "pool default: 2 workers: x 1 ready and 1 sleeping",
        "pool gpu: 1 worker: y ready",
    ]
    assert _pool_lines({"error": "it does not answer"}) == []
