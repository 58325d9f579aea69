"""Reads a batch piece by piece into its report: inputs and outputs may be large."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ml_service.storage import predictions
from ml_service.storage.database import Database
from services.bot.phrases import Phrases
from services.bot.views.files import BatchReport

ROWS_AT_ONCE = 20


async def read(database: Database, t: Phrases, ids: Sequence[UUID]) -> BatchReport:
    """The report of these predictions, in their order; what retention has deleted is not in it."""
    report = BatchReport(t)
    for start in range(0, len(ids), ROWS_AT_ONCE):
        some = ids[start : start + ROWS_AT_ONCE]
        async with database.autocommit() as session:
            found = await predictions.get_many(session, some)
        report.add([found[id_] for id_ in some if id_ in found])
    return report
