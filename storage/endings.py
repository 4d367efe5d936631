"""Files of a job at its beginning and end: no file says `processing` for ever."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.jobs import FileStatus, Stage
from storage.tables import job_files

ALMOST = 99.0
"""The most that an unfinished job's progress says; 100 is for completed jobs."""
_UNFINISHED = (str(FileStatus.QUEUED), str(FileStatus.PROCESSING))
_ENDED = tuple(str(status) for status in FileStatus if str(status) not in _UNFINISHED)


async def end_files(connection: AsyncConnection, job_id: str, status: FileStatus, code: str, message: str) -> None:
    """Mark the job's files that have not ended."""
    mine = (job_files.c.job_id == job_id) & job_files.c.status.in_(_UNFINISHED)
    values = {"status": str(status), "error_code": code, "error": message}
    await connection.execute(update(job_files).where(mine).values(values))


async def restart_files(connection: AsyncConnection, job_id: str) -> None:
    """Put every file that is not completed back to its start."""
    mine = (job_files.c.job_id == job_id) & (job_files.c.status != str(FileStatus.COMPLETED))
    values = {
        "status": str(FileStatus.QUEUED),
        "stage": str(Stage.QUEUED),
        "progress": 0.0,
        "error": None,
        "error_code": None,
    }
    await connection.execute(update(job_files).where(mine).values(values))


async def completed_files(connection: AsyncConnection, job_id: str) -> int:
    """How many files of the job have a transcript."""
    completed = (job_files.c.job_id == job_id) & (job_files.c.status == str(FileStatus.COMPLETED))
    return (await connection.execute(select(func.count()).where(completed))).scalar_one()


async def undone_files(connection: AsyncConnection, job_id: str) -> int:
    """How many have none."""
    undone = (job_files.c.job_id == job_id) & (job_files.c.status != str(FileStatus.COMPLETED))
    return (await connection.execute(select(func.count()).where(undone))).scalar_one()


def overall_progress(job_id: str) -> ColumnElement[float]:
    """The mean of the files' progress, as SQL, below 100; a file that ended, however, counts as done."""
    done = case((job_files.c.status.in_(_ENDED), 100.0), else_=job_files.c.progress)
    mean = select(func.avg(done)).where(job_files.c.job_id == job_id).scalar_subquery()
    return case((mean > ALMOST, ALMOST), else_=func.coalesce(mean, 0.0))
