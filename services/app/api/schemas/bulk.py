"""Bulk jobs as the API shows them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from ml_service.domain.bulk import BulkJob, BulkStatus
from ml_service.domain.predictions import Source


class ShownBulkJob(BaseModel):
    """A file of many lines, each of which becomes a prediction."""

    bulk_id: UUID = Field(description="Also the `batch_id` of its predictions.")
    status: BulkStatus = Field(
        description="`canceled` and `failed` at once, though lines that were under way may still end."
    )
    model: str = Field(examples=["sentiment"])
    version: str = Field(description="Of all lines, fixed at the start.")
    source: Source
    lines: int = Field(description="Lines of the file, blank ones and a header aside.")
    lines_invalid: int = Field(description="Lines that the model does not take; free, and named in the results.")
    succeeded: int
    failed: int = Field(description="Failed or expired, and given back.")
    canceled: int
    cost_max: int = Field(description="Credits that were held at the start.")
    charged: int = Field(description="Credits paid so far.")
    estimated_s: float | None = Field(description="Seconds until the end at the speed so far; null: not known yet.")
    error_code: str | None = Field(description="Why the job has failed, such as `version_gone`.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None = Field(description="When the last line had ended; null while some have not.")

    @classmethod
    def of(cls, job: BulkJob) -> ShownBulkJob:
        """Show a job."""
        estimated_s = job.estimated_s
        return cls(
            bulk_id=job.id,
            status=job.status,
            model=job.model,
            version=job.version,
            source=job.source,
            lines=job.lines,
            lines_invalid=job.lines_invalid,
            succeeded=job.succeeded,
            failed=job.failed,
            canceled=job.canceled,
            cost_max=job.cost_max,
            charged=job.charged,
            estimated_s=None if estimated_s is None else round(estimated_s, 1),
            error_code=job.error_code,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
        )


class BulkJobs(BaseModel):
    """A page of bulk jobs, newest first."""

    items: list[ShownBulkJob]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")
