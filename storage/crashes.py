"""How often a job's run came to nothing, and whether the job may be why: what makes a suspect, then a failure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import case, literal, or_, select, update

from storage.database import Database
from storage.tables import jobs

SUSPECT_AFTER = 3
"""Losses after which a job is a suspect whatever took its workers: something that takes whole hosts is rare."""


@dataclass(frozen=True, slots=True)
class CrashCount:
    """Runs of a job that came to nothing since it was last asked for: all, and those whose process died with nobody
    else aboard."""

    total: int = 0
    alone: int = 0


class Crashes:
    """The crash counts of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, job_id: str, *, alone: bool = False, suspect: bool = False) -> CrashCount:
        """Count one more; the count with it. A job that was deleted has none.

        ``suspect`` when its process died of something that may have been the job; ``alone`` when it was that, and
        nobody else was aboard.
        """
        mine = jobs.c.job_id == job_id
        guilty = or_(jobs.c.suspect > 0, literal(suspect), jobs.c.crashes + 1 >= SUSPECT_AFTER)
        one_more = {
            "crashes": jobs.c.crashes + 1,
            "crashes_alone": jobs.c.crashes_alone + int(alone),
            "suspect": case((guilty, 1), else_=0),
        }
        async with self._database.writing() as connection:
            await connection.execute(update(jobs).where(mine).values(one_more))
            row = (await connection.execute(select(jobs.c.crashes, jobs.c.crashes_alone).where(mine))).first()
        return CrashCount(*row) if row is not None else CrashCount()

    async def suspect(self, job_id: str) -> None:
        """A process died that had a part of the job, among others: it may be why."""
        async with self._database.writing() as connection:
            await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(suspect=1))

    async def suspects(self, job_ids: Collection[str]) -> frozenset[str]:
        """Those of the jobs that may be what kills processes: they are to run alone."""
        if not job_ids:
            return frozenset()
        query = select(jobs.c.job_id).where(jobs.c.job_id.in_(list(job_ids)), jobs.c.suspect > 0)
        async with self._database.reading() as connection:
            return frozenset((await connection.execute(query)).scalars())
