"""Restarts of single models: which workers load one again, and what is refused because requests would wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from ml_service.domain.errors import InvalidInput, ModelNotFound
from ml_service.domain.models import ModelSpec, ModelState, full_name
from ml_service.storage import model_restarts, models, workers
from ml_service.storage.database import Session
from ml_service.usecases.admin import Admin, record

OTHER_SCHEMAS = (
    "{model} was announced with other schemas, and the schemas of a version never change: give the model a new version."
)


class Which(StrEnum):
    """The workers that load a model again."""

    ALL = "all"
    ONE = "one"
    """One of each pool that serves it: one that has another version than the default one, or else the newest."""
    REST = "rest"
    """Those that do not serve the version that the files declare."""


async def refuse_other_schemas(session: Session, spec: ModelSpec) -> None:
    """Raise InvalidInput where the version was announced with other schemas: no worker would serve these."""
    if await model_restarts.has_other_schemas(session, spec):
        raise InvalidInput(OTHER_SCHEMAS.format(model=spec.full_name))


async def check_restart(
    session: Session, name: str, which: Which = Which.ALL, *, declares: str | None, anyway: bool = False
) -> list[str] | None:
    """Return the ids of the workers that such a restart means, or None for all; see `restart_model`.

    Raises:
        ModelNotFound: No worker knows the model, and there is no folder of it.
        InvalidInput: Requests would wait, and ``anyway`` does not say that they may; or none serves it for ``which``.
    """
    states = await _states_of(session, name)
    chosen = await models.choices(session, name)
    if not states and chosen is None and declares is None:
        raise ModelNotFound(
            f"No worker knows a model {name!r}, and there is no folder of it here. Where its folder is on other "
            "machines, restart the workers there (python3 start.py --restart, docker compose restart ml-worker)."
        )
    if which is not Which.ALL and not states:
        raise InvalidInput(f"No worker serves {name} so far: restart it without --{which}.")
    default = None if chosen is None else chosen.default_version
    meant = _meant(which, states, default, declares)
    if not anyway and default is not None and declares is not None:
        _refuse_gap(name, default, declares, states, meant)
    return meant


async def restart_model(
    session: Session,
    admin: Admin,
    name: str,
    which: Which = Which.ALL,
    *,
    declares: str | None = None,
    anyway: bool = False,
) -> list[str] | None:
    """Have workers load a model again, and nothing else. One that no worker knows is taken up, if its folder is there.

    Args:
        declares: The version that its files declare now; None where they could not be looked at.
        anyway: Even where no worker would serve the default version any more.

    Returns:
        The ids of the workers that do so, where not all are meant; none of them where there is nothing left to do.
        None: every worker.

    Raises:
        ModelNotFound, InvalidInput: As `check_restart`.
    """
    meant = await check_restart(session, name, which, declares=declares, anyway=anyway)
    if meant:
        await model_restarts.tell(session, name, meant)
    elif meant is None and not await model_restarts.ask(session, name):
        await model_restarts.tell(session, name, None)
    if meant != []:
        after = None if meant is None else {"workers": len(meant), "first": meant[:10]}
        await record(session, admin, "model.restart", f"model:{name}", after=after)
    return meant


async def open_of_versions_that_go(session: Session, name: str, which: Which, declares: str) -> dict[str, int]:
    """Of each version that no worker would have any more after such a restart, how many predictions are open."""
    states = await _states_of(session, name)
    chosen = await models.choices(session, name)
    meant = _meant(which, states, None if chosen is None else chosen.default_version, declares)
    left = {one.version for worker, one in states.items() if meant is not None and worker not in meant} | {declares}
    going = {one.version for one in states.values() if one.version is not None and one.state != "failed"} - left
    return {version: await model_restarts.count_open(session, name, [version]) for version in sorted(going)}


async def _states_of(session: Session, name: str) -> dict[str, ModelState]:
    """What each live worker says of the model, by its id; the oldest worker first."""
    live = [one for one in await workers.list_live(session) if one.is_alive]
    return {one.id: one.model_states[name] for one in live if name in one.model_states}


def _meant(
    which: Which, states: Mapping[str, ModelState], default: str | None, declares: str | None
) -> list[str] | None:
    if which is Which.REST:
        return [worker for worker, one in states.items() if one.state == "failed" or one.version != declares]
    if which is Which.ALL:
        return None
    # The oldest come first: the last one of those with the default version is the newest.
    by_pool: dict[str, list[str]] = {}
    for worker, one in sorted(states.items(), key=lambda pair: pair[1].version != default):
        by_pool.setdefault(one.pool, []).append(worker)
    return [several[-1] for several in by_pool.values()]


def _refuse_gap(
    name: str, default: str, declares: str, states: Mapping[str, ModelState], meant: Sequence[str] | None
) -> None:
    """Raise InvalidInput where the default version is served now and no longer then."""
    serving = {worker for worker, one in states.items() if one.version == default and one.state != "failed"}
    left = set() if meant is None else serving - {*meant}
    if declares == default or not serving or left:
        return
    new = full_name(name, declares)
    command = "python3 start.py --cli models"
    if any(one.version == declares for one in states.values()):
        advice = f"Promote it before ({command} promote {new})"
    elif len(serving) == 1:
        advice = "Start one worker more before (python3 start.py --start --workers N)"
    else:
        advice = (
            f"Let one worker load it first ({command} restart {name} --one), promote it ({command} promote {new}), "
            f"then restart the others ({command} restart {name} --rest)"
        )
    raise InvalidInput(
        f"The files declare {new}, and no worker would be left with the default version, {default}: requests for "
        f"{name} would wait. {advice}; --anyway restarts it all the same."
    )
