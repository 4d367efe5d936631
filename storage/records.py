"""Rows as the dataclasses of speech.jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.jobs import FileStatus, Job, JobFile, JobStatus, Stage, StoredFile
from speech.options import Priority, TranscribeRequest
from storage import specification
from storage.errors import SpecificationUnreadable
from storage.lifetimes import is_expired
from storage.tables import job_files


def stored_file(row: RowMapping) -> StoredFile:
    """A row of ``files``."""
    return StoredFile(**{name: row[name] for name in StoredFile.__dataclass_fields__})


def job_file(row: RowMapping) -> JobFile:
    """A row of ``job_files``."""
    values: dict[str, Any] = {name: row[name] for name in JobFile.__dataclass_fields__}
    values["status"] = FileStatus(row["status"])
    values["stage"] = Stage(row["stage"])
    values["providers_tried"] = tuple(row["providers_tried"] or ())
    return JobFile(**values)


def job(row: RowMapping, files: Iterable[RowMapping]) -> Job:
    """A row of ``jobs`` with its files.

    A request that this version cannot read does not hide the job: what is legible of it is shown, and the job
    carries the reason as its error when it has no other.
    """
    request, unreadable = _request(row)
    return Job(
        job_id=row["job_id"],
        owner_id=row["owner_id"],
        status=JobStatus.EXPIRED if is_expired(row) else JobStatus(row["status"]),
        stage=Stage(row["stage"]),
        progress=row["progress"],
        attempt=row["attempt"],
        submission=row["submission"],
        priority=Priority(row["priority"]),
        request=request,
        files=tuple(job_file(file) for file in files),
        created_at=row["created_at"],
        metadata=row["metadata"] or {},
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        expires_at=row["expires_at"],
        not_before=row["not_before"],
        cancel_requested_at=row["cancel_requested_at"],
        results_deleted_at=row["results_deleted_at"],
        flow_run_id=row["flow_run_id"],
        error=row["error"] or (unreadable.message if unreadable else None),
        error_code=row["error_code"] or (unreadable.code if unreadable else None),
    )


async def with_files(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Job]:
    """The jobs of these rows, their files read in one query."""
    if not rows:
        return []
    query = (
        select(job_files)
        .where(job_files.c.job_id.in_([row["job_id"] for row in rows]))
        .order_by(job_files.c.job_id, job_files.c.position)
    )
    found = (await connection.execute(query)).mappings().all()
    files = {job_id: list(group) for job_id, group in groupby(found, key=lambda file: file["job_id"])}
    return [job(row, files.get(row["job_id"], [])) for row in rows]


def _request(row: RowMapping) -> tuple[TranscribeRequest, SpecificationUnreadable | None]:
    try:
        return specification.load(row["specification"], row["specification_version"]), None
    except SpecificationUnreadable as error:
        return specification.legible(row["specification"]), error
