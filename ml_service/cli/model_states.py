"""What `models list` shows of each model's state: the words and the reasons of `GET /models`."""

from __future__ import annotations

from dataclasses import dataclass, field

from ml_service.cli.common import database_of
from ml_service.domain.models import ListedModel, Serving
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.usecases import models
from ml_service.usecases.models import Catalog
from ml_service.usecases.workers import failed_models, list_live, serving

LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class SeenModels:
    """The models as the tables and the live workers have them.

    Attributes:
        states: Of each version, by name@version.
        unannounced: States by name of models that live workers have, and have never announced.
        reasons: By name, why workers cannot load a model, or why its default version is not served.
    """

    listed: list[ListedModel] = field(default_factory=list)
    states: dict[str, Serving] = field(default_factory=dict)
    unannounced: dict[str, Serving] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


async def look() -> SeenModels:
    """Look at all models once; raises DatabaseUnavailable."""
    async with database_of(read_settings(CommonSettings)) as database:
        catalog = Catalog(database)
        await catalog.refresh()
        async with database.autocommit(LOOK_S) as session:
            listed, live = await models.list_all(session), await list_live(session)
    states = {one.spec.full_name: serving(one, live) for one in listed}
    failed = {one.name: one.reason for one in failed_models(live)}
    reasons = dict(failed)
    for one in listed:
        reason = catalog.why_not_live(one, states[one.spec.full_name], failed) if one.is_default else None
        reasons |= {one.spec.name: reason} if reason else {}
    names = {one.spec.name for one in listed}
    loading = {
        name for one in live if one.is_alive for name, model in one.model_states.items() if model.state == "loading"
    }
    unannounced = dict.fromkeys(loading, Serving.LOADING) | dict.fromkeys(failed, Serving.BROKEN)
    return SeenModels(
        listed, states, {name: state for name, state in unannounced.items() if name not in names}, reasons
    )
