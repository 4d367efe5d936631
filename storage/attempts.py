"""The worker's side of a job. Each attempt carries a token; only the newest one may write.

A worker that was believed dead and is not finds its token worthless: whatever it writes raises AttemptSuperseded.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, case, func, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.codec import segments_to_json
from speech.errors import AttemptSuperseded, JobCancelled
from speech.jobs import FileStatus, Job, JobStatus, Stage
from speech.limits import Limits
from speech.transcript import Segment
from storage import specification
from storage.database import Database
from storage.due import hold_room
from storage.endings import end_files, overall_progress, restart_files, undone_files
from storage.errors import Missing
from storage.events import note, note_piece
from storage.jobs import locked
from storage.lifetimes import is_expired
from storage.outbox import cancellation_is_due
from storage.projection import reopened
from storage.submission import UNFINISHED
from storage.tables import job_files, jobs, parts
from storage.transcripts import TranscriptRow, replace_transcript


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job, by one worker. ``number`` counts from 1."""

    job: Job
    token: str
    number: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: completed, failed or cancelled, and why. The job's status follows from the flow run."""

    status: JobStatus
    error: str | None = None
    error_code: str | None = None


class Attempts:
    """What workers write while they run jobs."""

    def __init__(self, database: Database, limits: Limits | None = None) -> None:
        self._database = database
        self._limits = limits

    async def begin(self, job_id: str, submission: int, flow_run_id: str, *, reopen: bool = False) -> Attempt:
        """Start an attempt and supersede the one before.

        With ``reopen``, a job that has ended runs again: for a flow run that somebody restarted by hand. A
        cancellation that Prefect has still to hear of stands, however.
        Raises Missing(job_not_found), AttemptSuperseded for an older submission or an ended job, JobCancelled when
        the job is to stop, LimitReached when it has to wait for others, SpecificationUnreadable.
        """
        async with self._database.writing() as connection:
            row = await locked(connection, job_id)
            if row is None:
                raise Missing(f"There is no job {job_id}; it was deleted.", "job_not_found")
            # A cancellation that Prefect was not told of yet is newer than whatever restarted the run.
            again = _admit(row, submission, reopen=reopen and not await cancellation_is_due(connection, job_id))
            if again and row["status"] == JobStatus.COMPLETED and not await undone_files(connection, job_id):
                raise AttemptSuperseded(f"Every file of job {job_id} was transcribed; there is nothing to run again.")
            specification.load(row["specification"], row["specification_version"])
            if self._limits:
                await hold_room(connection, self._limits, job_id)
            if again:
                await forget_deadlines(connection, job_id, submission)
            token = secrets.token_urlsafe(16)
            await restart_files(connection, job_id)
            await _set(connection, job_id, _begun(row, token, flow_run_id, again=again))
            job = await note(connection, job_id)
        return Attempt(job=job, token=token, number=job.attempt)

    async def progress(self, attempt: Attempt, file_id: str, stage: Stage, progress: float) -> None:
        """A file is at ``stage``, ``progress`` 0..100 of it done; what was said before is never taken back."""
        value = min(max(float(progress), 0.0), 100.0)
        file = {
            "status": str(FileStatus.PROCESSING),
            "stage": str(stage),
            "progress": case((job_files.c.progress > value, job_files.c.progress), else_=value),
        }
        at_work = job_files.c.status.in_((str(FileStatus.QUEUED), str(FileStatus.PROCESSING)))
        async with self._database.writing(durable=False) as connection:
            await locked(connection, attempt.job.job_id)  # before its files, as everybody does
            await connection.execute(
                update(job_files).where(_file(attempt, file_id), at_work, _fence(attempt)).values(file)
            )
            await self._advance(connection, attempt, stage)

    async def piece_done(self, attempt: Attempt, file_id: str, piece: int, segments: tuple[Segment, ...]) -> None:
        """Tell those who follow the job the words of a piece, on the recording's time line; AttemptSuperseded.

        What an earlier attempt told of the piece is not told again, unless the words are others now.
        """
        async with self._database.writing(durable=False) as connection:
            await hold(connection, attempt)
            await note_piece(connection, attempt.job.job_id, file_id, piece, segments_to_json(segments))

    async def file_done(
        self,
        attempt: Attempt,
        file_id: str,
        transcript: TranscriptRow,
        *,
        provider: str,
        model: str,
        providers_tried: tuple[str, ...] = (),
    ) -> None:
        """A file has its transcript, whose blob is already written; AttemptSuperseded."""
        values = {
            "status": str(FileStatus.COMPLETED),
            "stage": str(Stage.DONE),
            "progress": 100.0,
            "transcript_id": transcript.transcript_id,
            "provider": provider,
            "model": model,
            "providers_tried": list(providers_tried),
            "error": None,
            "error_code": None,
        }
        async with self._database.writing() as connection:
            await hold(connection, attempt)
            await replace_transcript(connection, transcript)
            await connection.execute(update(job_files).where(_file(attempt, file_id)).values(values))
            await _set(connection, attempt.job.job_id, {"waits": None})
            await self._advance(connection, attempt)

    async def file_failed(
        self, attempt: Attempt, file_id: str, code: str, message: str, *, providers_tried: tuple[str, ...] = ()
    ) -> None:
        """A file cannot be transcribed; the others go on. AttemptSuperseded."""
        values = {
            "status": str(FileStatus.FAILED),
            "error": message,
            "error_code": code,
            "providers_tried": list(providers_tried),
        }
        async with self._database.writing() as connection:
            await hold(connection, attempt)
            await connection.execute(update(job_files).where(_file(attempt, file_id)).values(values))
            await self._advance(connection, attempt)

    async def cancel_requested(self, job_id: str) -> bool:
        """Whether the job is to stop: somebody cancelled it, or it is gone."""
        query = select(jobs.c.cancel_requested_at).where(jobs.c.job_id == job_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).first()
        return row is None or row[0] is not None

    async def stopping(self, flow_run_ids: Collection[str]) -> frozenset[str]:
        """Those of the flow runs, of jobs and of parts, whose jobs are to stop."""
        told = jobs.c.cancel_requested_at.is_not(None)
        own = select(jobs.c.flow_run_id).where(jobs.c.flow_run_id.in_(list(flow_run_ids)), told)
        of_parts = select(parts.c.flow_run_id).join(jobs, jobs.c.job_id == parts.c.job_id)
        both = union(own, of_parts.where(parts.c.flow_run_id.in_(list(flow_run_ids)), told))
        async with self._database.reading() as connection:
            found = (await connection.execute(both)).scalars().all()
        return frozenset(run_id for run_id in found if run_id is not None)

    async def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Say how the attempt ended, before its flow run does: files that have not ended do so now.

        The job's status changes when control sees the flow run's end, and with it comes what is said here.
        """
        async with self._database.writing() as connection:
            await hold(connection, attempt)
            job_id = attempt.job.job_id
            if outcome.status is JobStatus.CANCELLED:
                await end_files(connection, job_id, FileStatus.CANCELLED, "job_cancelled", "The job was cancelled.")
            else:
                code = outcome.error_code or "no_result"
                message = outcome.error or "The run ended without a result for this file."
                await end_files(connection, job_id, FileStatus.FAILED, code, message)
            await _set(connection, job_id, {"error": outcome.error, "error_code": outcome.error_code})
            await note(connection, job_id)

    async def _advance(self, connection: AsyncConnection, attempt: Attempt, stage: Stage | None = None) -> None:
        mean = overall_progress(attempt.job.job_id)
        queued = jobs.c.status == str(JobStatus.QUEUED)
        values: dict[str, Any] = {
            "progress": case((jobs.c.progress > mean, jobs.c.progress), else_=mean),
            "status": case((queued, str(JobStatus.PROCESSING)), else_=jobs.c.status),
            "started_at": func.coalesce(jobs.c.started_at, now()),
        }
        if stage is not None:
            values["stage"] = str(stage)
        mine = (jobs.c.job_id == attempt.job.job_id) & _current(attempt)
        changed = await connection.execute(update(jobs).where(mine).values(values))
        if changed.rowcount == 0:
            raise _superseded(attempt)
        await note(connection, attempt.job.job_id)


async def hold(connection: AsyncConnection, attempt: Attempt) -> None:
    """Lock the job's row for the caller's transaction; AttemptSuperseded when the attempt may not write any more."""
    row = await locked(connection, attempt.job.job_id)
    if row is None or row["attempt_token"] != attempt.token or row["status"] not in UNFINISHED:
        raise _superseded(attempt)


async def forget_deadlines(connection: AsyncConnection, job_id: str, submission: int) -> None:
    """The next attempt has a time of its own: what was waited for is not the time of the one that shared out its work.

    That of parts which go on stays theirs.
    """
    ended = (parts.c.job_id == job_id) & (parts.c.submission == submission) & parts.c.ended_at.is_not(None)
    await connection.execute(update(parts).where(ended).values(deadline_at=None))


def _admit(row: RowMapping, submission: int, *, reopen: bool) -> bool:
    """Refuse those who may not begin; whether an ended job is to be opened again."""
    if row["submission"] != submission:
        raise AttemptSuperseded(f"Job {row['job_id']} was submitted again since; this run is not the newest one.")
    status = JobStatus(row["status"])
    if status.finished and reopen and not is_expired(row) and row["results_deleted_at"] is None:
        return True
    if row["cancel_requested_at"] is not None:
        raise JobCancelled(f"Job {row['job_id']} was cancelled.")
    if status.finished:
        raise AttemptSuperseded(f"Job {row['job_id']} has ended ({status}); this run may not begin it again.")
    return False


def _begun(row: RowMapping, token: str, flow_run_id: str, *, again: bool) -> dict[str, Any]:
    moment = now()
    values: dict[str, Any] = reopened(row) if again else {"progress": overall_progress(row["job_id"])}
    further = again or row["attempt_token"] is not None
    return values | {
        "attempt": row["attempt"] + 1 if further else row["attempt"],
        "attempt_token": token,
        "begun_at": moment,
        "flow_run_id": flow_run_id,
        "status": str(JobStatus.PROCESSING),
        "stage": str(Stage.PREPARING),
        "started_at": row["started_at"] or moment,
        "waiting_for": None,
        "waiting_until": None,
        "error": None,
        "error_code": None,
    }


async def _set(connection: AsyncConnection, job_id: str, values: dict[str, Any]) -> None:
    await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))


def _current(attempt: Attempt) -> ColumnElement[bool]:
    return (jobs.c.attempt_token == attempt.token) & jobs.c.status.in_(UNFINISHED)


def _fence(attempt: Attempt) -> ColumnElement[bool]:
    return select(jobs.c.job_id).where(jobs.c.job_id == attempt.job.job_id, _current(attempt)).exists()


def _file(attempt: Attempt, file_id: str) -> ColumnElement[bool]:
    return (job_files.c.job_id == attempt.job.job_id) & (job_files.c.file_id == file_id)


def _superseded(attempt: Attempt) -> AttemptSuperseded:
    return AttemptSuperseded(
        f"Attempt {attempt.number} at job {attempt.job.job_id} is not the newest one, or the job has ended."
    )
