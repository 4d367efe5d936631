"""The job's row as a projection of its flow run: which news change it, and how."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.jobs import FileStatus, JobStatus, Stage, lawful
from storage.announcements import announce
from storage.endings import completed_files, end_files, overall_progress, restart_files, undone_files
from storage.ids import new_id
from storage.lifetimes import expires_at, is_expired
from storage.outbox import OutboxKind, tell
from storage.tables import job_files, jobs


@dataclass(frozen=True, slots=True)
class Projection:
    """What Prefect says of a flow run, in the words of a job.

    ``stage`` only when the run's state says one (`paused`). ``observed_at`` is when the run began to be read: what was
    read before an attempt began says nothing about that attempt.
    """

    status: JobStatus
    stage: Stage | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    observed_at: datetime | None = None


def is_news(row: RowMapping, submission: int, seen: Projection) -> bool:
    """Whether what was seen of that submission's run changes the job's row, and may."""
    before, after = JobStatus(row["status"]), seen.status
    if row["submission"] != submission or not lawful(before, after) or _stale(row, seen):
        return False
    if before is not after:
        return True
    if after is not JobStatus.PROCESSING:
        return False
    resumed = seen.stage is None and row["stage"] == Stage.PAUSED
    return resumed or any(row[name] != value for name, value in _to_processing(row, seen).items())


async def is_over(connection: AsyncConnection, row: RowMapping, seen: Projection) -> bool:
    """Whether there is nothing left to run though the run goes on: it was put back just as it completed."""
    completed = row["status"] == JobStatus.COMPLETED and not seen.status.finished
    return completed and not await undone_files(connection, row["job_id"])


async def apply(connection: AsyncConnection, row: RowMapping, seen: Projection) -> None:
    """Bring the locked job's row in line with the news of its run."""
    before, after = JobStatus(row["status"]), seen.status
    if before.finished and not after.finished:
        await _reopen(connection, row)
    values = _STEPS[after](row, seen)
    if seen.stage is None and row["stage"] == Stage.PAUSED and after is JobStatus.PROCESSING:
        values["stage"] = str(await _working_stage(connection, row["job_id"]))
    await _write(connection, row, values)
    if after.finished:
        await _end(connection, row, seen)


def _stale(row: RowMapping, seen: Projection) -> bool:
    """Whether the run was read before the attempt that is now at work began, or the job's results are gone."""
    if row["results_deleted_at"] is not None or is_expired(row):
        return True
    if row["begun_at"] is None:
        return False
    if seen.observed_at is not None:
        return bool(seen.observed_at < row["begun_at"])
    return seen.status is JobStatus.QUEUED and seen.started_at is None


def _to_queued(row: RowMapping, seen: Projection) -> dict[str, Any]:
    return {"status": str(JobStatus.QUEUED), "stage": str(Stage.QUEUED), "completed_at": None}


def _to_processing(row: RowMapping, seen: Projection) -> dict[str, Any]:
    waiting = row["stage"] in (Stage.QUEUED, Stage.DONE)
    stage = seen.stage or (Stage.PREPARING if waiting else Stage(row["stage"]))
    return {
        "status": str(JobStatus.PROCESSING),
        "stage": str(stage),
        "started_at": row["started_at"] or seen.started_at or now(),
        "completed_at": None,
    }


def _to_cancelling(row: RowMapping, seen: Projection) -> dict[str, Any]:
    return {"status": str(JobStatus.CANCELLING), "cancel_requested_at": row["cancel_requested_at"] or now()}


def _to_ended(row: RowMapping, seen: Projection) -> dict[str, Any]:
    completed_at = seen.completed_at or now()
    return {
        "status": str(seen.status),
        "started_at": row["started_at"] or seen.started_at,
        "completed_at": completed_at,
        "expires_at": expires_at(row, completed_at),
        "waiting_for": None,
        "waiting_until": None,
        "error": seen.error or row["error"],
        "error_code": seen.error_code or row["error_code"],
    }


_STEPS = {
    JobStatus.QUEUED: _to_queued,
    JobStatus.PROCESSING: _to_processing,
    JobStatus.CANCELLING: _to_cancelling,
    JobStatus.COMPLETED: _to_ended,
    JobStatus.FAILED: _to_ended,
    JobStatus.CANCELLED: _to_ended,
    JobStatus.EXPIRED: _to_ended,
}


async def _end(connection: AsyncConnection, row: RowMapping, seen: Projection) -> None:
    """Settle what is left: files, progress, and whether a completed run really left a result."""
    job_id = row["job_id"]
    if seen.status is JobStatus.CANCELLED:
        await end_files(connection, job_id, FileStatus.CANCELLED, "job_cancelled", "The job was cancelled.")
        await announce(connection, job_id)
        return
    code = seen.error_code or row["error_code"] or "no_result"
    message = seen.error or row["error"] or "The run ended without a result for this file."
    await end_files(connection, job_id, FileStatus.FAILED, code, message)
    if seen.status is JobStatus.COMPLETED:
        await _settle_completed(connection, row, code, message)
    await announce(connection, job_id)


async def _settle_completed(connection: AsyncConnection, row: RowMapping, code: str, message: str) -> None:
    if await completed_files(connection, row["job_id"]):
        done = {"progress": 100.0, "stage": str(Stage.DONE), "error": None, "error_code": None}
    else:
        done = {"status": str(JobStatus.FAILED), "error": message, "error_code": code}
    await _write(connection, row, done)


async def _reopen(connection: AsyncConnection, row: RowMapping) -> None:
    """Start a further attempt at a job that had ended: somebody ran its flow run again."""
    await restart_files(connection, row["job_id"])
    await _write(connection, row, reopened(row))


def reopened(row: RowMapping) -> dict[str, Any]:
    """The columns of a job that is to run again; its files must be restarted first."""
    return {
        "attempt": row["attempt"] + 1,
        "attempt_token": None,
        "begun_at": None,
        "stage": str(Stage.QUEUED),
        "progress": overall_progress(row["job_id"]),
        "completed_at": None,
        "expires_at": None,
        "cancel_requested_at": None,
        "error": None,
        "error_code": None,
        "crashes": 0,
        "crashes_alone": 0,
        "suspect": 0,
        "waits": None,
        "waiting_for": None,
        "waiting_until": None,
    }


async def submit_again(connection: AsyncConnection, row: RowMapping) -> bool:
    """Send a job once more whose run is gone from Prefect; the second time it fails with ``run_lost``."""
    if JobStatus(row["status"]).finished:
        return False
    if row["cancel_requested_at"] is not None:
        await apply(connection, row, Projection(JobStatus.CANCELLED))
        return False
    if row["lost_runs"] > 0:
        lost = "The job's run disappeared from Prefect twice; submit the job again."
        await apply(connection, row, Projection(JobStatus.FAILED, error=lost, error_code="run_lost", observed_at=now()))
        return False
    submission = row["submission"] + 1
    values = {
        "submission": submission,
        "lost_runs": row["lost_runs"] + 1,
        "flow_run_id": None,
        "begun_at": None,
        # Nobody holds this token: the lost run may write nothing more, and the next attempt counts as a further one.
        "attempt_token": row["attempt_token"] and new_id(),
        "status": str(JobStatus.QUEUED),
        "stage": str(Stage.QUEUED),
    }
    await _write(connection, row, values)
    await tell(connection, OutboxKind.SUBMIT, owner_id=row["owner_id"], job_id=row["job_id"], submission=submission)
    return True


async def _working_stage(connection: AsyncConnection, job_id: str) -> Stage:
    query = (
        select(job_files.c.stage)
        .where(job_files.c.job_id == job_id, job_files.c.status == str(FileStatus.PROCESSING))
        .order_by(job_files.c.position)
    )
    stage = (await connection.execute(query)).scalars().first()
    return Stage(stage) if stage else Stage.PREPARING


async def _write(connection: AsyncConnection, row: RowMapping, values: dict[str, Any]) -> None:
    await connection.execute(update(jobs).where(jobs.c.job_id == row["job_id"]).values(values))
