"""The largest number that each setting takes is one that the database takes, too."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.common import COUNT_MAX, CommonSettings
from ml_service.platform.settings.engine import EngineSettings
from ml_service.platform.settings.ml_worker import WorkerSettings
from tests.support.play import Play

COUNTS = [
    (settings, name)
    for settings in (EngineSettings, BotSettings, WorkerSettings)
    for name, field in settings.model_fields.items()
    if field.annotation is int and not {"bytes", "credits"} & set(name.split("_"))
]


@pytest.mark.parametrize(("settings", "name"), COUNTS, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_count_beyond_the_databases_integers_is_refused(settings: type[CommonSettings], name: str) -> None:
    with pytest.raises(ValidationError):
        settings.model_validate({name: str(COUNT_MAX + 1)})


async def test_predictions_are_submitted_and_claimed_with_the_largest_limits(play: Play) -> None:
    edge = EngineSettings(open_predictions_per_user_max=COUNT_MAX)
    worker = WorkerSettings(attempts_max=COUNT_MAX)
    await play.submit(play.submission(items=2, open_max=edge.open_predictions_per_user_max))
    claimed = await play.claim(*play.ids, attempts_max=worker.attempts_max)
    assert len(claimed) == 2
