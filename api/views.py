"""Stored things as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from api.batch_schemas import BatchJobView, BatchLinks, BatchSummary, BatchView
from api.job_schemas import JobFileView, JobLinks, JobView
from api.schemas import FileView, StoredFileView, TranscriptDetail, TranscriptView
from api.webhook_schemas import DeliveryView, WebhookSecretView
from speech.addresses import API, job_path, results_path
from speech.formats import FORMATS
from speech.jobs import FileStatus, Job, JobFile, StoredFile
from storage.batches import Batch, BatchJob
from storage.deliveries import Delivery
from storage.transcripts import TranscriptRow
from storage.webhook_secrets import WebhookSecret


def file_view(file: StoredFile) -> FileView:
    """A file, as an upload answers it."""
    return FileView(**_file(file))


def stored_file_view(file: StoredFile) -> StoredFileView:
    """A file by its id."""
    return StoredFileView(**_file(file), created_at=file.created_at)


def _file(file: StoredFile) -> dict[str, object]:
    return {name: getattr(file, name) for name in FileView.model_fields}


def job_view(job: Job, *, queue_position: int | None, stale_since: datetime | None, prefect_ui: str) -> JobView:
    """A job with its files; ``prefect_ui`` is where people open Prefect's pages."""
    return JobView(
        job_id=job.job_id,
        status=job.status,
        progress=job.progress,
        stage=job.stage,
        attempt=job.attempt,
        current_file=next((file.filename for file in job.files if file.status is FileStatus.PROCESSING), None),
        total_files=len(job.files),
        files_failed=sum(file.status is FileStatus.FAILED for file in job.files),
        files=[_job_file(file) for file in job.files],
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        expires_at=job.expires_at,
        not_before=job.not_before,
        queue_position=queue_position,
        priority=job.priority,
        error=job.error,
        error_code=job.error_code,
        waiting_for=job.waiting_for,
        metadata=job.metadata,
        flow_run_id=job.flow_run_id,
        flow_run_url=f"{prefect_ui}/runs/flow-run/{job.flow_run_id}" if job.flow_run_id else None,
        stale_since=stale_since,
    )


def _job_file(file: JobFile) -> JobFileView:
    return JobFileView(
        file_id=file.file_id,
        filename=file.filename,
        status=file.status,
        stage=file.stage,
        progress=file.progress,
        error=file.error,
        error_code=file.error_code,
        transcript_id=file.transcript_id,
        provider=file.provider,
        model=file.model,
        providers_tried=list(file.providers_tried),
    )


def links_of(job_id: str) -> JobLinks:
    """Where a client goes on from a job."""
    job = job_path(job_id)
    return JobLinks(self=job, results=results_path(job_id), events=f"{job}/events")


def batch_links_of(batch_id: str) -> BatchLinks:
    """Where a client goes on from a batch."""
    return BatchLinks(self=f"{API}/batches/{batch_id}")


def batch_summary(batch: Batch) -> BatchSummary:
    """A batch in a list."""
    return BatchSummary(**_batch(batch))


def batch_view(batch: Batch, jobs: Sequence[BatchJob], next_cursor: str | None) -> BatchView:
    """A batch with a page of its jobs."""
    shown = [BatchJobView(**asdict(job)) for job in jobs]
    return BatchView(**_batch(batch), jobs=shown, next_cursor=next_cursor)


def _batch(batch: Batch) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in BatchSummary.model_fields}


def transcript_view(row: TranscriptRow) -> TranscriptView:
    """A transcript in a job's results."""
    return TranscriptView(**_transcript(row))


def transcript_detail(row: TranscriptRow) -> TranscriptDetail:
    """A transcript by its own id."""
    return TranscriptDetail(**_transcript(row), job_id=row.job_id)


def _transcript(row: TranscriptRow) -> dict[str, object]:
    shown = {name: getattr(row, name) for name in TranscriptView.model_fields if name != "available_formats"}
    return {**shown, "available_formats": list(FORMATS)}


def delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery in a job's log."""
    names = ("event", "url", "status", "tries", "last_status", "last_error", "created_at", "delivered_at")
    shown = {name: getattr(delivery, name) for name in names}
    return DeliveryView(id=delivery.delivery_id, next_try_at=delivery.due_at, **shown)


def secret_view(secret: WebhookSecret) -> WebhookSecretView:
    """A signing secret, without itself."""
    return WebhookSecretView(**{name: getattr(secret, name) for name in WebhookSecretView.model_fields})
