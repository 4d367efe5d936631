"""What a worker asks about the jobs of due runs before it takes any: whose they are, what they need, how they fared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from storage.database import Database
from storage.demand import MODEL, PROVIDER
from storage.tables import jobs


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that waits. ``model`` names provider and model as the request does; ``suspect`` when a process died that
    had it."""

    job_id: str
    owner_id: str
    model: str
    suspect: bool


class DueJobs:
    """Waiting jobs, of every owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, job_ids: Collection[str]) -> dict[str, DueJob]:
        """Those of the jobs that exist, by id."""
        if not job_ids:
            return {}
        columns = (jobs.c.job_id, jobs.c.owner_id, PROVIDER, MODEL, jobs.c.suspect)
        query = select(*columns).where(jobs.c.job_id.in_(list(job_ids)))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        found = (DueJob(row.job_id, row.owner_id, _named(row.provider, row.model), row.suspect > 0) for row in rows)
        return {job.job_id: job for job in found}


def _named(provider: str, model: str | None) -> str:
    return f"{provider}/{model or 'default'}"
