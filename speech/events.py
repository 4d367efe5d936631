"""What those who follow a job are told: how far it is, the words of a piece as it finishes, and how it ended."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from speech.jobs import FINISHED, Job, JobFile, JobStatus


class EventKind(StrEnum):
    """The name of an event."""

    PROGRESS = "progress"
    SEGMENT = "segment"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing follows, unless somebody retries the job."""
        return self in _ENDS.values()


_ENDS = {
    JobStatus.COMPLETED: EventKind.COMPLETED,
    JobStatus.FAILED: EventKind.FAILED,
    JobStatus.CANCELLED: EventKind.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One entry of a job's log. ``number`` grows by one from entry to entry; ``data`` is a JSON object."""

    number: int
    kind: EventKind
    data: str


def kind_of(job: Job) -> EventKind:
    """Which event tells of the job as it is now."""
    return _ENDS.get(job.status, EventKind.PROGRESS)


def said_of(job: Job) -> dict[str, Any]:
    """The job as an event shows it."""
    return {
        "job_id": job.job_id,
        "attempt": job.attempt,
        "status": job.status,
        "stage": job.stage,
        "progress": job.progress,
        "files": [_said_of_file(file) for file in job.files],
        "waiting_for": job.waiting_for,
        "error": job.error,
        "error_code": job.error_code,
    }


def gist_of(job: Job) -> str:
    """A word that changes whenever there is something new to tell of the job: each whole percent, each stage, each
    wait."""
    further = ",".join(f"{file.status}/{file.stage}" for file in job.files) + (job.waiting_for or "")
    digest = hashlib.blake2b(further.encode(), digest_size=16).hexdigest()
    return f"{job.status}:{job.attempt}:{job.stage}:{int(job.progress)}:{digest}"


def had_ended(gist: str | None) -> bool:
    """Whether the gist was that of a job that had ended."""
    return gist is not None and gist.partition(":")[0] in FINISHED


def _said_of_file(file: JobFile) -> dict[str, Any]:
    return {
        "file_id": file.file_id,
        "status": file.status,
        "stage": file.stage,
        "progress": file.progress,
        "error": file.error,
        "error_code": file.error_code,
        "transcript_id": file.transcript_id,
    }
