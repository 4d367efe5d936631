"""What control asks about jobs besides those that are active: it acts for every owner."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from speech.jobs import JobStatus
from speech.options import Priority
from storage.database import Database
from storage.submission import UNFINISHED
from storage.tables import jobs, outbox


@dataclass(frozen=True, slots=True)
class WatchedJob:
    """A job, finished or not, as far as its flow run is concerned."""

    job_id: str
    status: JobStatus
    stage: str
    submission: int
    attempt: int
    flow_run_id: str | None
    priority: Priority
    not_before: datetime | None
    cancel_requested_at: datetime | None


class Oversight:
    """Jobs by what control knows of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def jobs(self, job_ids: Collection[str]) -> dict[str, WatchedJob]:
        """Those of the jobs that exist, by id."""
        found = await self._select(jobs.c.job_id.in_(list(job_ids))) if job_ids else []
        return {job.job_id: job for job in found}

    async def at_work(self) -> list[WatchedJob]:
        """Jobs that have begun and not ended: as many as workers have places."""
        begun = jobs.c.status.in_((str(JobStatus.PROCESSING), str(JobStatus.CANCELLING)))
        return await self._select(begun)

    async def page(self, after: str, limit: int) -> list[WatchedJob]:
        """Unfinished jobs with a flow run, by id, those after ``after`` (empty: from the start)."""
        wanted = jobs.c.status.in_(UNFINISHED) & jobs.c.flow_run_id.is_not(None) & (jobs.c.job_id > after)
        return await self._select(wanted, limit)

    async def stranded(self, limit: int) -> list[WatchedJob]:
        """Unfinished jobs without a flow run that nobody is going to submit."""
        waiting = select(outbox.c.job_id).where(outbox.c.job_id == jobs.c.job_id).exists()
        return await self._select(jobs.c.status.in_(UNFINISHED) & jobs.c.flow_run_id.is_(None) & ~waiting, limit)

    async def _select(self, wanted: ColumnElement[bool], limit: int | None = None) -> list[WatchedJob]:
        names = WatchedJob.__dataclass_fields__
        query = select(*(jobs.c[name] for name in names)).where(wanted).order_by(jobs.c.job_id).limit(limit)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [
            WatchedJob(**{**row, "status": JobStatus(row["status"]), "priority": Priority(row["priority"])})
            for row in rows
        ]
