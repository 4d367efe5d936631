"""Jobs that go on though their time is over: what they hang in asks no clock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import select, update

from speech.clock import now
from speech.errors import SpeechError
from speech.jobs import FileStatus
from storage.database import Database
from storage.due import AT_WORK
from storage.endings import completed_files, end_files
from storage.events import note
from storage.ids import new_id
from storage.jobs import locked
from storage.submission import UNFINISHED
from storage.tables import jobs, parts

TIMEOUT = jobs.c.specification["timeout"].as_float().label("timeout")


class Overtime:
    """Runs whose jobs have no time left."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs(self, flow_run_ids: Collection[str]) -> dict[str, float]:
        """Those of the flow runs at work, of jobs and of parts, whose attempt's time is over, each with the seconds
        that it had: 0 for parts, which have what was left to their job. Clocks are set now and then: who has seen a
        run for less than that should not believe it.
        """
        ids, moment = list(flow_run_ids), now()
        timed = jobs.c.flow_run_id.in_(ids) & jobs.c.status.in_(AT_WORK) & jobs.c.begun_at.is_not(None)
        of_jobs = select(jobs.c.flow_run_id, jobs.c.begun_at, TIMEOUT).where(timed, TIMEOUT.is_not(None))
        late = parts.c.flow_run_id.in_(ids) & parts.c.ended_at.is_(None) & (parts.c.deadline_at < moment)
        async with self._database.reading() as connection:
            own = (await connection.execute(of_jobs)).all()
            of_parts = (await connection.execute(select(parts.c.flow_run_id).where(late))).scalars().all()
        over = {row.flow_run_id: row.timeout for row in own if row.begun_at + timedelta(seconds=row.timeout) < moment}
        return over | {run_id: 0.0 for run_id in of_parts if run_id is not None}

    async def end(self, job_id: str, flow_run_id: str, error: SpeechError) -> bool:
        """The job's process was killed: its files that have not ended fail with ``error``.

        A run that is not the job's changes nothing.

        Returns:
            Whether the job has a result all the same, so that its run completes.

        """
        async with self._database.writing() as connection:
            row = await locked(connection, job_id)
            if row is None or row["flow_run_id"] != flow_run_id or row["status"] not in UNFINISHED:
                return False
            await end_files(connection, job_id, FileStatus.FAILED, error.code, error.message)
            # Nobody holds this token: whatever is left of the attempt may write nothing more.
            values = {"error": error.message, "error_code": error.code, "attempt_token": new_id()}
            await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))
            await note(connection, job_id)
            return await completed_files(connection, job_id) > 0
