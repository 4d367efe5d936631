"""What a worker asks about the jobs of due runs before it takes any: whose they are, what they need, how they fared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from storage.database import Database
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
        columns = (jobs.c.job_id, jobs.c.owner_id, jobs.c.specification, jobs.c.suspect)
        query = select(*columns).where(jobs.c.job_id.in_(list(job_ids)))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return {
            row.job_id: DueJob(row.job_id, row.owner_id, _model(row.specification), row.suspect > 0) for row in rows
        }


def _model(specification: dict[str, object]) -> str:
    return f"{specification.get('provider')}/{specification.get('model') or 'default'}"
