"""What unfinished jobs ask for: how much there is to do, and on which device."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select

from speech.clock import now
from speech.jobs import JobStatus
from storage.database import Database
from storage.submission import UNFINISHED
from storage.tables import jobs


@dataclass(frozen=True, slots=True)
class Wish:
    """What one job wants; ``model`` is None when that is left to the worker."""

    provider: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """How many jobs that are due want the same; ``wish`` is None where it was not asked for."""

    status: JobStatus
    count: int
    wish: Wish | None = None


PROVIDER = jobs.c.specification["provider"].as_string().label("provider")
MODEL = jobs.c.specification["model"].as_string().label("model")
"""What a job's request names, without reading all of it."""


class Demand:
    """Jobs by what they ask for, of every owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, job_id: str) -> Wish | None:
        """What a job wants; None when it is gone."""
        query = select(PROVIDER, MODEL).where(jobs.c.job_id == job_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Wish(row.provider, row.model)

    async def shares(self, *, by_model: bool) -> list[Share]:
        """The unfinished jobs that are due, counted; ``by_model`` reads the request of each, which takes longer."""
        due = or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now())
        unfinished = jobs.c.status.in_(UNFINISHED) & due
        wanted = select(jobs.c.status, *((PROVIDER, MODEL) if by_model else ())).where(unfinished).subquery()
        query = select(*wanted.c, func.count().label("number")).group_by(*wanted.c)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Share(JobStatus(row.status), row.number, Wish(row.provider, row.model) if by_model else None)
            for row in rows
        ]
