"""From a job to what can be downloaded of it, or to the reason why not."""

from __future__ import annotations

from collections.abc import Sequence

from api.deps import Parts
from api.downloads import Download, format_named
from api.refusals import FieldError, FileIdRequired, JobFailed, ResultExpired, ResultsCancelled
from speech.jobs import FileStatus, Job, JobStatus
from speech.options import SubtitleOptions
from storage.errors import JobNotFinished, Missing
from storage.transcripts import TranscriptRow

_DELETED = "The results of this job were deleted."
_EXPIRED = "The results of this job have expired."


async def completed_job(parts: Parts, owner_id: str, job_id: str) -> Job:
    """The job, when it has results.

    Raises:
        Missing: the owner has no such job.
        JobNotFinished, JobFailed, ResultsCancelled, ResultExpired: there are none.

    """
    job = await parts.store.jobs.get(owner_id, job_id)
    if job.status is JobStatus.EXPIRED:
        raise ResultExpired(_EXPIRED)
    if job.results_deleted_at is not None:
        raise ResultExpired(_DELETED)
    if job.status is JobStatus.FAILED:
        raise JobFailed(f"The job failed and has no results: {job.error or 'see its files'}")
    if job.status is JobStatus.CANCELLED:
        raise ResultsCancelled("The job was cancelled and has no results.")
    if job.status is not JobStatus.COMPLETED:
        raise JobNotFinished(f"The job is {job.status}; ask for its results once it is completed.")
    return job


def chosen_row(job: Job, rows: Sequence[TranscriptRow], file_id: str | None) -> TranscriptRow:
    """The transcript of one file of the job.

    Raises:
        FileIdRequired: the job has several files, and none was named.
        Missing: the job has no such file.
        JobFailed, ResultExpired: the file has no transcript, or none any more.

    """
    if file_id is None and len(job.files) > 1:
        errors = [FieldError("file_id", row.file_id or "", "choice", row.filename) for row in rows]
        having = ", ".join(error.message for error in errors) or "none of them any more"
        message = f"The job has {len(job.files)} files: say which one with ?file_id=. Results have: {having}."
        raise FileIdRequired(message, errors)
    wanted = job.files[0].file_id if file_id is None else file_id
    found = next((row for row in rows if row.file_id == wanted), None)
    return found or _refuse(job, wanted)


def download_of(job: Job, row: TranscriptRow, name: str) -> Download:
    """One transcript in one format; UnknownFormat."""
    return Download(row, format_named(name), job.request.subtitles)


async def transcript_of(parts: Parts, owner_id: str, transcript_id: str) -> tuple[TranscriptRow, SubtitleOptions]:
    """A transcript by its own id, and how its job wanted its subtitles; the defaults for one without a job.

    Raises:
        Missing: the owner has no such transcript.
        ResultExpired: its job's results are over.

    """
    row = await parts.store.transcripts.get(owner_id, transcript_id)
    if row.job_id is None:
        return row, SubtitleOptions()
    job = await parts.store.jobs.get(owner_id, row.job_id)
    if job.status is JobStatus.EXPIRED:
        raise ResultExpired(_EXPIRED)
    return row, job.request.subtitles


def _refuse(job: Job, file_id: str) -> TranscriptRow:
    file = next((file for file in job.files if file.file_id == file_id), None)
    if file is None:
        raise Missing("The job has no file of that id.", "file_not_found")
    if file.status is FileStatus.COMPLETED:
        raise ResultExpired("The transcript of this file was deleted.")
    raise JobFailed(f"This file has no transcript: {file.error or file.status}")
