"""What the API answers about many jobs that were submitted in one request."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.schemas import EXAMPLE_ID, EXAMPLE_MOMENT, Shape
from speech.jobs import JobStatus


class BatchLinks(Shape):
    """Where to go on."""

    self: str = Field(description="The batch.", examples=[f"/api/v1/batches/{EXAMPLE_ID}"])


class BatchAcceptedView(Shape):
    """All jobs of a batch were accepted."""

    batch_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    job_ids: list[str] = Field(description="In the order of the items.", examples=[[EXAMPLE_ID]])
    links: BatchLinks


class BatchSummary(Shape):
    """A batch, summed up."""

    batch_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    created_at: datetime = Field(description="When it was accepted.", examples=[EXAMPLE_MOMENT])
    jobs_count: int = Field(description="How many jobs it was made of.", examples=[2])
    counts: dict[JobStatus, int] = Field(
        description="How many jobs are in which status.", examples=[{"completed": 1, "processing": 1}]
    )
    progress: float = Field(description="0..100; a job that ended, however it ended, counts as done.", examples=[75.0])
    finished: bool = Field(description="Whether all jobs have ended.", examples=[False])


class BatchJobView(Shape):
    """One job of a batch."""

    job_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    position: int = Field(description="Its item's place, from 0.", examples=[0])
    status: JobStatus = Field(description="How it is.", examples=["completed"])
    progress: float = Field(description="0..100.", examples=[100.0])
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])


class BatchView(BatchSummary):
    """A batch with a page of its jobs."""

    jobs: list[BatchJobView] = Field(description="In the order of the items.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class BatchList(Shape):
    """A page of batches."""

    batches: list[BatchSummary] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")
