"""What `ml-service models restart` looks at before and waits for afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import asyncpg

from ml_service.cli.common import begin, database_of
from ml_service.cli.model_trials import declared_by
from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, NotFound
from ml_service.domain.models import ModelSpec, ModelState, full_name
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.storage import model_restarts
from ml_service.storage.workers import Worker
from ml_service.usecases import workers
from ml_service.usecases.model_restarts import Which, open_of_versions_that_go, refuse_other_schemas

LOOK_S = 10.0
"""So long a command waits for the database where it can do without."""
TAKEN_S = 20.0
"""In this time every worker has heard of a new folder."""
LOADED_S = 120.0
ANSWERED_S = 60.0
PROMOTED_S = 2.0
"""In this time every app has noticed a promotion, and accepts no more for the version before."""
_POLL_S = 0.5


async def has_other_schemas(spec: ModelSpec) -> bool:
    """Whether the running service knows this version with other schemas; False where it cannot be asked."""
    try:
        async with database_of(read_settings(CommonSettings), LOOK_S) as database, database.autocommit() as session:
            return await model_restarts.has_other_schemas(session, spec)
    except (DatabaseUnavailable, asyncpg.PostgresError):
        return False


async def declared_version(name: str) -> str:
    """The version that a model's files declare.

    Raises:
        NotFound: It has no folder here.
        InvalidInput: Its files cannot be imported, declare what cannot be, or schemas that the service would refuse.
    """
    spec = await declared_by(name)
    async with begin() as session:
        await refuse_other_schemas(session, spec)
    return spec.version


async def version_to_restart(name: str, *, anyway: bool) -> str | None:
    """The version that a model's files declare; None where they cannot be served or are not here.

    Raises:
        NotFound, InvalidInput: As `declared_version`; not with ``anyway``, nor for a model that is on other machines.
    """
    try:
        return await declared_version(name)
    except NotFound:
        if not anyway and any(name in one.model_states for one in await _live()):
            raise InvalidInput(
                f"There is no folder of {name} here to look at: --anyway has the workers load it as it is where they "
                "run, or leave it out where it is gone."
            ) from None
        return None
    except InvalidInput as error:
        if anyway:
            return None
        raise InvalidInput(f"No worker was asked, and all go on as they are. {error.message}") from None


async def wait_until_answered(name: str, which: Which, version: str) -> None:
    """Wait until nothing is open of the versions that no worker would have any more, which would wait for good.

    Raises:
        InvalidInput: That takes longer than a minute.
    """
    end, nothing_since = time.monotonic() + ANSWERED_S, None
    while True:
        async with begin() as session:
            open_ = await open_of_versions_that_go(session, name, which, version)
        now = time.monotonic()
        if not any(open_.values()):
            nothing_since = nothing_since or now
            if not open_ or now - nothing_since > PROMOTED_S:
                return
        else:
            nothing_since = None
        if now > end:
            names = ", ".join(full_name(name, one) for one, number in open_.items() if number)
            raise InvalidInput(
                f"Requests for {names or name} are open, and no worker would be left to answer them. Try again later; "
                "--anyway restarts it all the same."
            )
        await asyncio.sleep(_POLL_S)


async def reports_of(name: str) -> dict[str, ModelState] | None:
    """What each live worker says of a model, by its id; None where there are no live workers."""
    live = await _live()
    return {one.id: one.model_states[name] for one in live if name in one.model_states} if live else None


def would_show(before: Mapping[str, ModelState], worker_ids: Sequence[str], version: str) -> bool:
    """Whether what these workers say will tell that they have loaded the version: they say something else so far."""
    return all(before[one].version != version and before[one].state != "failed" for one in worker_ids if one in before)


async def wait_until_served(name: str, version: str, worker_ids: Sequence[str]) -> bool:
    """Wait until these workers serve the version; returns False where that takes longer than two minutes.

    Raises:
        InvalidInput: One of them cannot load it; the message says why.
    """

    def is_served(live: Sequence[Worker]) -> bool:
        meant = [one for one in live if one.id in worker_ids]
        for one in meant:
            state = one.model_states.get(name)
            if state is not None and state.state == "failed":
                raise InvalidInput(f"{one.id} cannot serve {name} as it is now. {state.reason}")
        return all(full_name(name, version) in one.models for one in meant)

    return await _wait(is_served, LOADED_S)


async def wait_until_taken(name: str) -> None:
    """Wait until a worker has taken a new folder up; raises InvalidInput where none does."""
    if not await _wait(lambda live: any(name in one.model_states for one in live), TAKEN_S):
        raise InvalidInput(
            f"No worker has taken {name} up: MODELS, MODELS_LEFT_OUT or the pools leave it out, or its folder is not "
            "where the workers are. Once that is changed: python3 start.py --restart."
        )


async def _wait(is_so: Callable[[Sequence[Worker]], bool], patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while not is_so(await _live()):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def _live() -> list[Worker]:
    async with begin() as session:
        return [one for one in await workers.list_live(session) if one.is_alive]
