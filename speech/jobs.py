"""The states of a job and of its files, and which steps between them are lawful."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from speech.options import Priority, TranscribeRequest


class JobStatus(StrEnum):
    """What a client sees of a job; a projection of its flow run."""

    QUEUED = "queued"
    PROCESSING = "processing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in FINISHED


FINISHED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})

_NEXT: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(
        {
            JobStatus.PROCESSING,
            JobStatus.CANCELLING,
            JobStatus.COMPLETED,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
        }
    ),
    JobStatus.PROCESSING: frozenset(
        {JobStatus.QUEUED, JobStatus.CANCELLING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.FAILED}),
    # A finished job runs again when somebody retries it, here or in Prefect's UI; it can expire.
    JobStatus.COMPLETED: frozenset({JobStatus.EXPIRED, JobStatus.QUEUED, JobStatus.PROCESSING}),
    JobStatus.FAILED: frozenset({JobStatus.EXPIRED, JobStatus.QUEUED, JobStatus.PROCESSING}),
    JobStatus.CANCELLED: frozenset({JobStatus.EXPIRED, JobStatus.QUEUED, JobStatus.PROCESSING}),
    JobStatus.EXPIRED: frozenset(),
}


def lawful(before: JobStatus, after: JobStatus) -> bool:
    """Whether a job may go from ``before`` to ``after``; staying where it is always is."""
    return before is after or after in _NEXT[before]


class Stage(StrEnum):
    """What is being done to a job or a file."""

    QUEUED = "queued"
    PREPARING = "preparing"
    TRANSCRIBING = "transcribing"
    DIARIZING = "diarizing"
    ALIGNING = "aligning"
    PUNCTUATING = "punctuating"
    RENDERING = "rendering"
    PAUSED = "paused"
    DONE = "done"


class FileStatus(StrEnum):
    """What became of one file of a job."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def transcript_id_of(job_id: str | None, file_id: str) -> str:
    """The id of a job's transcript of a file: the same for every attempt, so that a repeated one replaces it."""
    return hashlib.sha256(f"{job_id}/{file_id}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded or fetched recording. ``blob_key`` is None until a URL was fetched, and after deletion."""

    file_id: str
    owner_id: str
    filename: str
    size_bytes: int
    content_type: str
    duration: float | None
    sample_rate: int | None
    channels: int | None
    sha256: str | None
    blob_key: str | None
    created_at: datetime
    source_url: str | None = None


@dataclass(frozen=True, slots=True)
class JobFile:
    """One file inside one job. ``progress`` is 0..100."""

    file_id: str
    filename: str
    position: int
    status: FileStatus
    stage: Stage
    progress: float
    error: str | None = None
    error_code: str | None = None
    transcript_id: str | None = None
    provider: str | None = None
    model: str | None = None
    providers_tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A request and what became of it. ``progress`` is 0..100 and 100 only when completed."""

    job_id: str
    owner_id: str
    status: JobStatus
    stage: Stage
    progress: float
    attempt: int
    submission: int
    priority: Priority
    request: TranscribeRequest
    files: tuple[JobFile, ...]
    created_at: datetime
    metadata: dict[str, Any]
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    not_before: datetime | None = None
    cancel_requested_at: datetime | None = None
    results_deleted_at: datetime | None = None
    stale_since: datetime | None = None
    flow_run_id: str | None = None
    error: str | None = None
    error_code: str | None = None
    waiting_for: str | None = None
    """The code of what keeps it waiting though it is no fault of the job."""
    waiting_until: datetime | None = None
