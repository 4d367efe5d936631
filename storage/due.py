"""What a worker asks about the jobs of due runs before it takes any: whose they are, what they need, how they fared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, ScalarSelect, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.jobs import FileStatus, JobStatus
from speech.limits import AtWork, Limits
from speech.options import Priority
from storage.database import Database
from storage.demand import MODEL, PROVIDER
from storage.errors import LimitReached
from storage.lifetimes import waiting_in_line
from storage.submission import RANKS
from storage.tables import files, job_files, jobs

_ADVISORY_LOCK = 7_705_921_366_053_118  # any number, the same in every process
AT_WORK = (str(JobStatus.PROCESSING), str(JobStatus.CANCELLING))


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that waits. ``model`` names provider and model as the request does; ``suspect`` when a process died that
    had it; ``begun`` when it was at work before, and counts as such. ``seconds`` of recordings are not done yet, as far
    as their length is known."""

    job_id: str
    owner_id: str
    model: str
    suspect: bool
    begun: bool = False
    seconds: float = 0.0


class DueJobs:
    """Waiting jobs, and those at work, of every owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, job_ids: Collection[str]) -> dict[str, DueJob]:
        """Those of the jobs that exist, by id."""
        if not job_ids:
            return {}
        columns = (jobs.c.job_id, jobs.c.owner_id, PROVIDER, MODEL, jobs.c.suspect, _begun().label("begun"))
        query = select(*columns, _seconds().label("seconds")).where(jobs.c.job_id.in_(list(job_ids)))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return {
            row.job_id: DueJob(
                job_id=row.job_id,
                owner_id=row.owner_id,
                model=_named(row.provider, row.model),
                suspect=row.suspect > 0,
                begun=bool(row.begun),
                seconds=row.seconds or 0.0,
            )
            for row in rows
        }

    async def first_of_each(self, count: int, limit: int, *, by_model: bool) -> list[str]:
        """The flow runs of queued jobs: the first ``count`` of each owner and urgency, so many ``limit`` in all.

        With ``by_model``, the first of each owner, urgency, and model. Jobs that wait for their time are left out.
        """
        apart = (jobs.c.owner_id, jobs.c.priority_rank, *((PROVIDER, MODEL) if by_model else ()))
        place = func.row_number().over(partition_by=apart, order_by=(jobs.c.created_at, jobs.c.job_id)).label("place")
        waiting = select(jobs.c.flow_run_id, jobs.c.priority_rank, jobs.c.created_at, place).where(_waits()).subquery()
        query = (
            select(waiting.c.flow_run_id)
            .where(waiting.c.place <= count)
            .order_by(waiting.c.priority_rank, waiting.c.place, waiting.c.created_at)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def first_light(self, long_seconds: float, limit: int) -> list[str]:
        """The flow runs of the first queued jobs that are express or, as far as is known, not long."""
        light = (jobs.c.priority_rank == RANKS[Priority.EXPRESS]) | (func.coalesce(_seconds(), 0.0) < long_seconds)
        query = (
            select(jobs.c.flow_run_id)
            .where(_waits(), light)
            .order_by(jobs.c.priority_rank, jobs.c.created_at, jobs.c.job_id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def at_work(self) -> list[AtWork]:
        """The jobs that have begun and not ended."""
        async with self._database.reading() as connection:
            return await read_at_work(connection)


async def read_at_work(connection: AsyncConnection, *, besides: str | None = None) -> list[AtWork]:
    """The jobs that have begun and not ended, but for ``besides``.

    A run that is on its way to begin makes its job `processing` too: two such must not keep each other waiting.
    """
    query = select(jobs.c.owner_id, PROVIDER, MODEL).where(_begun())
    if besides is not None:
        query = query.where(jobs.c.job_id != besides)
    rows = (await connection.execute(query)).all()
    return [AtWork(row.owner_id, _named(row.provider, row.model)) for row in rows]


async def hold_room(connection: AsyncConnection, limits: Limits, job_id: str) -> None:
    """Refuse a job that would be one too many at work; who asks next does so after this transaction. LimitReached."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
    row = (await connection.execute(select(jobs.c.owner_id, PROVIDER, MODEL).where(jobs.c.job_id == job_id))).one()
    others = await read_at_work(connection, besides=job_id)
    if not limits.leave_room(AtWork(row.owner_id, _named(row.provider, row.model)), others):
        raise LimitReached(f"As many jobs are at work as may be; job {job_id} has to wait.")


def _begun() -> ColumnElement[bool]:
    return jobs.c.status.in_(AT_WORK) & jobs.c.begun_at.is_not(None)


def _waits() -> ColumnElement[bool]:
    return waiting_in_line() & jobs.c.flow_run_id.is_not(None)


def _seconds() -> ScalarSelect[float | None]:
    undone = (job_files.c.job_id == jobs.c.job_id) & (job_files.c.status != str(FileStatus.COMPLETED))
    of_files = select(func.sum(files.c.duration)).join(job_files, job_files.c.file_id == files.c.file_id)
    return of_files.where(undone).correlate(jobs).scalar_subquery()


def _named(provider: str, model: str | None) -> str:
    return f"{provider}/{model or 'default'}"
