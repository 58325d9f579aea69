"""Pools: workers beside the usual ones that serve models of their own. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine.common.errors import EngineError
from engine.common.limits import WORKERS_MAX
from ml_service.platform.pool_names import what_is_reserved

FORM = "NAME=WORKERS:MODEL,MODEL"
_POOL = re.compile(r"([a-z][a-z0-9_]{0,31})=([0-9]{1,3})(?::([a-z0-9-]+(?:,[a-z0-9-]+)*))?")
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Pool:
    """Some workers that serve only these models, which no other workers serve.

    Attributes:
        workers: How many; 0: there is no such pool.
        models: Empty in what the command line asks for: as in the last start.
    """

    name: str
    workers: int
    models: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As the command line has it."""
        return f"{self.name}={self.workers}" + (f":{','.join(self.models)}" if self.models else "")


def parse(text: str) -> Pool:
    """Read ``gpu=1:whisper,sdxl``; raises ValueError, whose message says what is wrong."""
    found = _POOL.fullmatch(text)
    if found is None:
        raise ValueError(f"must be {FORM}, such as gpu=1:whisper,sdxl, not {text[:80]!r}")
    name, workers, models = found[1], int(found[2]), found[3]
    if name == _DEFAULT:
        raise ValueError("the pool default is the usual workers: --workers says how many")
    if problem := what_is_reserved(name):
        raise ValueError(f"the name of a pool {problem}")
    if workers > WORKERS_MAX:
        raise ValueError(f"the pool {name} can have up to {WORKERS_MAX} workers, not {workers}")
    return Pool(name, workers, tuple(dict.fromkeys(models.split(","))) if models else ())


def of_last_start(texts: Iterable[str]) -> list[Pool]:
    """The pools that were started last, as they are remembered, in a file that may have been damaged or edited.

    Raises:
        EngineError: one of them cannot be. Without it, other workers would serve its models in silence.
    """
    pools: list[Pool] = []
    for text in texts:
        try:
            pool = parse(text)
        except ValueError as error:
            raise EngineError(f'A pool in var/engine.json is wrong: {error}. Correct "pools" there.') from None
        if pool.workers and not pool.models:
            raise EngineError(f'The pool {pool.name} has no models in var/engine.json. Correct "pools" there.')
        pools.append(pool)
    return pools


def merged(last: Iterable[Pool], asked: Iterable[Pool]) -> tuple[Pool, ...]:
    """The pools of the last start with what is asked for now.

    Raises:
        EngineError: a pool is not known and has no models, or a model would be in two pools.
    """
    pools = {pool.name: pool for pool in last}
    for pool in asked:
        known = pools.get(pool.name)
        models = pool.models or (known.models if known else ())
        if not models and pool.workers:
            raise EngineError(f"The pool {pool.name} has no models yet: --pool {pool.name}={pool.workers}:MODEL,MODEL")
        pools[pool.name] = replace(pool, models=models)
    wanted = tuple(pool for pool in pools.values() if pool.workers)
    owners: dict[str, str] = {}
    for pool in wanted:
        for model in pool.models:
            if owners.setdefault(model, pool.name) != pool.name:
                raise EngineError(f"The model {model} would be in the pools {owners[model]} and {pool.name}.")
    return wanted


def changed_numbers(running: Sequence[Pool], asked: Sequence[Pool]) -> dict[str, int]:
    """Which pools get another number of workers.

    Raises:
        EngineError: what is asked for needs a restart, because other workers would have to stop serving a model.
    """
    wanted = merged(running, asked)
    if [(one.name, one.models) for one in wanted] != [(one.name, one.models) for one in running]:
        options = " ".join(f"--pool {one.text}" for one in asked)
        raise EngineError(f"That changes which workers serve which models: start.py --restart {options}")
    return {one.name: one.workers for one, now in zip(wanted, running, strict=True) if one.workers != now.workers}
