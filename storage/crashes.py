"""How often the process died that had a job: what makes a job a suspect, and at last a failure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, update

from storage.database import Database
from storage.tables import jobs


@dataclass(frozen=True, slots=True)
class CrashCount:
    """Deaths of processes that had a job aboard since it was last asked for: all, and those that it was alone in."""

    total: int = 0
    alone: int = 0

    @property
    def suspect(self) -> bool:
        """Whether the job may be what kills processes."""
        return self.total > 0


class Crashes:
    """The crash counts of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, job_id: str, *, alone: bool) -> CrashCount:
        """Count one more; the count with it. A job that was deleted has none."""
        mine = jobs.c.job_id == job_id
        one_more = {"crashes": jobs.c.crashes + 1, "crashes_alone": jobs.c.crashes_alone + int(alone)}
        async with self._database.writing() as connection:
            await connection.execute(update(jobs).where(mine).values(one_more))
            row = (await connection.execute(select(jobs.c.crashes, jobs.c.crashes_alone).where(mine))).first()
        return CrashCount(*row) if row is not None else CrashCount()

    async def suspects(self, job_ids: Collection[str]) -> frozenset[str]:
        """Those of the jobs that may be what kills processes."""
        if not job_ids:
            return frozenset()
        query = select(jobs.c.job_id).where(jobs.c.job_id.in_(list(job_ids)), jobs.c.crashes > 0)
        async with self._database.reading() as connection:
            return frozenset((await connection.execute(query)).scalars())
